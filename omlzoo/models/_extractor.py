"""The extractor: what every architecture of the zoo is."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import Image
from torch import Tensor, nn

from omlzoo.errors import BadInput

if TYPE_CHECKING:  # the one look up: a model holds the facts of its weights, and asks them for transform and folder
    from omlzoo.checkpoints.weights import Entry, Weights

__all__ = ["Extractor", "adopt", "unit"]


class Extractor(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, dim).

    An architecture implements :meth:`stages` and :meth:`steps`, or :meth:`embed` where it cannot be cut; the names in
    its state dict are timm's.

    Attributes:
        dim: Length of the embedding.
        normalize: Whether embeddings are divided by their L2 norm (a zero vector stays zero).
        weights: Facts of the checkpoint it was built for; None for a bare architecture.
        changed: True once the model was put into training mode or other weights were loaded: they need no longer be
            those of its file.
    """

    def __init__(self, dim: int, normalize: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.normalize = normalize
        self.weights: Weights | None = None
        self.changed = False

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs of images (B, 3, H, W), "embedding" (B, dim) among them, not normalised."""
        found: dict[str, Tensor] = _through(self.steps(), images)
        return found

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """Its parts in the order that pictures pass through them, for freezing the first ones."""
        raise NotImplementedError

    def steps(self) -> list[Callable[[Any], Any]]:
        """What each of :meth:`stages` computes: the first takes images (B, 3, H, W), each other what the one before
        gave, a tensor of B rows, and the last gives the named outputs. Empty where the architecture cannot be cut."""
        return []

    def until(self, images: Tensor, stage: int) -> Tensor:
        """What the stages before that one give of images (B, 3, H, W), a tensor of B rows.

        Raises:
            BadInput: The architecture cannot be cut there.
        """
        found: Tensor = _through(self._cut(stage)[:stage], images)
        return found

    def onward(self, hidden: Tensor, stage: int) -> Tensor:
        """Embeddings (B, dim), by that stage and those after it, of what :meth:`until` gave."""
        return self._named(_through(self._cut(stage)[stage:], hidden))["embedding"]

    def _cut(self, stage: int) -> list[Callable[[Any], Any]]:
        steps = self.steps()
        if not 0 < stage < len(steps):
            can = f"between 1 and {len(steps) - 1}" if steps else "nowhere"
            raise BadInput(f"the stage is {stage}; {type(self).__name__} can be cut {can}")
        return steps

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Named outputs of images (B, 3, H, W).

        Returns:
            "embedding" (B, dim) as :meth:`forward` gives it; "tokens" (B, S, width), the patch tokens, and
            "class_token" (B, width) of a ViT; "map" (B, C, h, w) of a ResNet.
        """
        return self._named(self.embed(images))

    def _named(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.normalize:
            outputs["embedding"] = unit(outputs["embedding"])
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, dim) of images (B, 3, H, W)."""
        return self.features(images)["embedding"]

    @property
    def facts(self) -> "Weights":
        """The facts of its weights.

        Raises:
            BadInput: It was built bare, without an entry.
        """
        if self.weights is None:
            raise BadInput(
                f"this {type(self).__name__} was built bare, without an entry; build it with omlzoo.get_model"
            )
        return self.weights

    @property
    def entry(self) -> "Entry":
        """The entry of its weights.

        Raises:
            BadInput: It was built bare, without one.
        """
        return self.facts.entry

    def transforms(self) -> Callable[[Image.Image], Tensor]:
        """The evaluation transform of these weights: a PIL image to (3, H, W) float."""
        return self.facts.transforms()

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write ``model.safetensors`` and ``entry.json``, a folder that ``omlzoo.get_model`` opens.

        Args:
            folder: Is made where needed.
            overwrite: Replace a checkpoint that stands there.

        Raises:
            BadInput: The folder has a checkpoint already, or the model was built without an entry.
        """
        self.facts.save(self.state_dict(), folder, changed=self.changed, overwrite=overwrite)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As in torch; remembers that the weights may now differ from their file."""
        self.changed = True
        return super().load_state_dict(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        """As in torch; remembers that the weights may now differ from their file."""
        self.changed = self.changed or mode
        return super().train(mode)

    def __repr__(self) -> str:
        name = self.weights.entry.name if self.weights else "bare"
        return f"{type(self).__name__}({name}, dim={self.dim}, normalize={self.normalize})"


def _through(steps: list[Callable[[Any], Any]], value: Any) -> Any:
    for step in steps:
        value = step(value)
    return value


def unit(vectors: Tensor) -> Tensor:
    """Vectors (B, dim) divided by their L2 norms, which are computed in float32; zero vectors stay zero."""
    return nn.functional.normalize(vectors.float()).to(vectors.dtype)


def adopt(owner: nn.Module, body: nn.Module, names: tuple[str, ...]) -> None:
    """Move parts of a timm model to ``owner`` under the same names, so that the state dict has timm's keys."""
    for name in names:
        part: Any = getattr(body, name, None)
        if isinstance(part, nn.Module | nn.Parameter):
            setattr(owner, name, part)

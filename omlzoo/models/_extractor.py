"""The base class of all architectures of the zoo."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import Image
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.models._given_images import check_images
from omlzoo.models._linear_map import Projection
from omlzoo.models._pooling import Pooling
from omlzoo.models._staged import Staged, as_grid, through
from omlzoo.models._traces import Traces

if TYPE_CHECKING:  # the only import from a higher floor: a model holds the facts of its weights and delegates to them
    import numpy as np

    from omlzoo.checkpoints.weights import Entry, Weights

__all__ = ["Extractor", "adopt", "unit"]


class Extractor(Staged):
    """Base class of models that map images (B, 3, H, W) to embeddings (B, dim).

    An architecture implements :meth:`stages` and :meth:`steps`, or :meth:`stages` and :meth:`embed` if it cannot be
    split between two stages. The names in its state dict are timm's.

    Attributes:
        dim: Dimension of the embedding.
        normalize: Whether embeddings are divided by their L2 norm. A zero vector stays zero.
    """

    def __init__(self, dim: int, normalize: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.normalize = normalize
        self._weights: Weights | None = None
        self._traces: Traces | None = None

    @property
    def weights(self) -> "Weights | None":
        """The facts of the checkpoint that the model was built for; None for a bare architecture.

        To set them says that the model's tensors, as they are then, are those of the checkpoint.
        """
        return self._weights

    @weights.setter
    def weights(self, facts: "Weights | None") -> None:
        """Take the facts, and traces of the tensors as they are."""
        same = facts is not None and (self._weights is None or not self.changed)
        self._weights = facts
        self._traces = Traces(self) if same else None

    @property
    def changed(self) -> bool:
        """Whether the model's tensors are no longer those of its checkpoint, however they were changed.

        It is seen from the tensors. Where their traces are others, as in a copy of the model, they are compared with
        the checkpoint's file, and count as changed if there is none. docs/weights.md says what is not seen.
        """
        if self._weights is None or (self._traces is not None and self._traces.hold(self)):
            return False
        if not self._weights.hold(self.state_dict()):
            return True
        self._traces = Traces(self)
        return False

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs for images (B, 3, H, W), including "embedding" (B, dim), which is not normalised."""
        outputs: dict[str, Tensor] = through(self.steps(), images)
        return outputs

    def fit(self, size: tuple[int, int]) -> bool:
        """Adapt the model to images of another size, once its weights are loaded.

        Architectures whose computation follows each image, and those that refuse other images, need nothing.

        Args:
            size: Height and width of the images in pixels.

        Returns:
            Whether tensors of the model changed.

        Raises:
            BadInput: The model takes no images of that size.
        """
        return False

    def merged(self) -> "Extractor":
        """The model for inference alone, with parallel branches merged where its architecture has them; eval mode."""
        return self

    def check_saving(self) -> None:
        """Refuse to save a model that could never be opened again, before any work goes into it.

        Raises:
            BadInput: It is one.
        """

    def onward(self, hidden: Tensor, stage: int) -> Tensor:
        """Run a stage and all those after it.

        Args:
            hidden: The result of :meth:`until` for the same stage, a tensor of B rows.
            stage: Index of the first stage that is run, from 1 to the number of stages - 1.

        Returns:
            Embeddings (B, dim), the same as those of :meth:`forward`.

        Raises:
            BadInput: The architecture cannot be split there.
        """
        return self._named(through(self._cut(stage)[stage:], hidden))["embedding"]

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs for images (B, 3, H, W).

        Returns:
            "embedding" (B, dim), as :meth:`forward` returns it, and outputs that depend on the architecture. Vision
            transformers have "tokens" (B, S, width), the tokens of the S patches, and "class_token" (B, width) if they
            have a class token. ResNets and Swin transformers have "map" (B, C, h, w), the last feature map.
        """
        return self._named(self.embed(images))

    def dense(self, images: Tensor) -> Tensor:
        """A vector of L2 norm 1 for each patch of images (B, 3, H, W), or for each place of the last feature map.

        Returns:
            (B, width, h, w). The width is that of the map or the tokens, before any projection of the embedding.

        Raises:
            BadInput: The architecture gives neither, or its tokens are no grid.
        """
        return nn.functional.normalize(as_grid(self.embed(images), images), dim=1)

    def _named(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.normalize:
            outputs["embedding"] = unit(outputs["embedding"])
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, dim) of images (B, 3, H, W).

        Raises:
            BadInput: It is no such tensor, but a picture, a list, or pixels as integers.
        """
        check_images(images)
        return self.features(images)["embedding"]

    def encode(self, pictures: Any, **options: Any) -> "np.ndarray":
        """Vectors (N, dim) float32 of pictures: ``omlzoo.embed(model, pictures).vectors``.

        Args:
            pictures: One picture, or as many as ``omlzoo.embed`` takes: paths, PIL images, arrays, a folder, a table.
            **options: Of ``omlzoo.embed``, such as ``batch_size``.

        Returns:
            A row for each picture; NaN where one cannot be read, which is said.
        """
        vectors: np.ndarray = catalog.shared("embedding.extraction", "embed")(self, pictures, **options).vectors
        return vectors

    @property
    def facts(self) -> "Weights":
        """The facts of the model's weights.

        Raises:
            BadInput: The model was built from a bare architecture, without an entry.
        """
        if self.weights is None:
            raise BadInput(
                f"this {type(self).__name__} was built bare, without an entry; build it with omlzoo.get_model"
            )
        return self.weights

    @property
    def entry(self) -> "Entry":
        """The entry of the model's weights.

        Raises:
            BadInput: The model was built from a bare architecture, without an entry.
        """
        return self.facts.entry

    def transforms(self) -> Callable[[Image.Image], Tensor]:
        """The evaluation transform of the model's weights, from a PIL image to a float tensor (3, H, W)."""
        return self.facts.transforms()

    def with_projection(self, projection: Projection, *, normalize: bool = True) -> "Extractor":
        """This model with a projection after it, such as ``omlzoo.whiten`` learns. Saved, it opens by ``get_model``.

        The parameters are this model's own, not a copy.

        Args:
            projection: The projection of its embeddings.
            normalize: Whether to divide the projected embedding by its L2 norm.

        Raises:
            BadInput: The projection is for embeddings of another dimension, or the model has a projection already.
        """
        longer: Extractor = catalog.shared("models._projected", "with_projection")(self, projection, normalize)
        return longer

    def with_views(self, scales: Sequence[float] = (1.0,), *, mirror: bool = True) -> "Extractor":
        """This model with the mean over several views of each image as its embedding (test-time augmentation).

        Saved, it opens by ``get_model``. The parameters are this model's own, not a copy.

        Args:
            scales: Sides of the views as shares of the image's, 1 to 8 different numbers from 0.25 to 4. DINO's
                retrieval takes (1, 0.7071, 0.5).
            mirror: Whether the mirrored image of each scale is a view too.

        Raises:
            BadInput: A scale is not allowed, or the model takes no images of that size.
        """
        longer: Extractor = catalog.shared("models._viewed", "with_views")(self, scales, mirror)
        return longer

    def with_layers(
        self, layers: Sequence[int], *, own: bool = True, pooling: Pooling = "mean", power: float = 3.0
    ) -> "Extractor":
        """This model with the pooled outputs of its stages, side by side, as its embedding of L2 norm 1.

        Saved, it opens by ``get_model``. The parameters are this model's own, not a copy.

        Args:
            layers: Numbers of :meth:`stages`, from 0; of a model of timm, those of its feature maps.
            own: Whether the model's own embedding is the last part.
            pooling: "mean", "max", or "gem", the generalised mean (arXiv 1711.02512).
            power: Exponent of the generalised mean, above 0.

        Raises:
            BadInput: The model has no such stage or cannot be asked for its stages, or a setting is not allowed.
        """
        longer: Extractor = catalog.shared("models._layered", "with_layers")(self, layers, own, pooling, power)
        return longer

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write ``model.safetensors`` and ``entry.json`` into a folder that ``omlzoo.get_model`` opens.

        Args:
            folder: The folder; it is made if it does not exist. Its name becomes the name of the entry.
            overwrite: Whether to replace a checkpoint that the folder already has.

        Raises:
            BadInput: The folder has a checkpoint and ``overwrite`` is False, the model was built without an entry, or
                no import gives its class.
        """
        self.check_saving()
        state = self.state_dict()
        changed = self.changed or (self.entry.sha256 is not None and not self.facts.hold(state))
        self.facts.save(state, folder, changed=changed, overwrite=overwrite)

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """As in torch, for ``to``, ``cuda`` and the like. To move tensors does not change them; to round them does."""
        same = self._traces is not None and self._traces.hold(self)
        types = self._traces.types() if self._traces is not None else []
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if same:
            self._traces = Traces(self)
            if self._traces.types() != types:
                self._traces = None
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled. A copy has tensors of its own, so it begins without traces."""
        return {**self.__dict__, "_traces": None}

    def __repr__(self) -> str:
        name = self.weights.entry.name if self.weights else "bare"
        return f"{type(self).__name__}({name}, dim={self.dim}, normalize={self.normalize})"


def unit(vectors: Tensor) -> Tensor:
    """Divide vectors (B, dim) by their L2 norms, which are computed in float32. Zero vectors stay zero."""
    return nn.functional.normalize(vectors.float()).to(vectors.dtype)


def adopt(owner: nn.Module, body: nn.Module, names: tuple[str, ...]) -> None:
    """Move parts of a timm model to another module under the same names, so that its state dict has timm's keys.

    Args:
        owner: The module that takes the parts.
        body: The timm model.
        names: Names of the attributes to move. Names that ``body`` does not have as a module or parameter are skipped.
    """
    for name in names:
        part: Any = getattr(body, name, None)
        if isinstance(part, nn.Module | nn.Parameter):
            setattr(owner, name, part)

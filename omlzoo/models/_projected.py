"""An extractor whose embedding is a linear projection of another extractor's embedding."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from omlzoo.models._extractor import Extractor

__all__ = ["Projected"]


class Projected(Extractor):
    """An extractor with a linear projection after it. The projection takes the embedding before its normalisation.

    The weight of the projection is initialised as an orthogonal matrix, and its bias as zeros.

    Args:
        body: The extractor whose embedding is projected.
        dim: Dimension of the projected embedding.
        normalize: Whether to divide the projected embedding by its L2 norm.
    """

    def __init__(self, body: Extractor, dim: int, normalize: bool = False) -> None:
        super().__init__(dim, normalize)
        self.body = body
        self.project = nn.Linear(body.dim, dim)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def fit(self, size: tuple[int, int]) -> bool:
        """Adapt the body, see :meth:`omlzoo.models.Extractor.fit`."""
        return self.body.fit(size)

    def check_saving(self) -> None:
        """Refuse to save a body that could never be opened again."""
        self.body.check_saving()

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The stages of the body, and the projection."""
        return [*self.body.stages(), [self.project]]

    def steps(self) -> list[Callable[[Any], Any]]:
        *steps, last = self.body.steps() or [self.body.embed]
        return [
            *steps,
            lambda hidden: last(hidden)["embedding"],
            lambda embedding: {"embedding": self.project(embedding)},
        ]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.body.embed(images)
        return {**outputs, "embedding": self.project(outputs["embedding"])}

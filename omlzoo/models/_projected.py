"""The extractor that a linear projection makes of another one."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from omlzoo.models._extractor import Extractor

__all__ = ["Projected"]


class Projected(Extractor):
    """The embedding of a body, before its normalisation, through a linear layer that is orthogonal at first.

    Args:
        body: Any extractor.
        dim: Length of the embedding.
        normalize: Divide the embedding by its L2 norm.
    """

    def __init__(self, body: Extractor, dim: int, normalize: bool = False) -> None:
        super().__init__(dim, normalize)
        self.body = body
        self.project = nn.Linear(body.dim, dim)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """Those of the body, and the projection."""
        return [*self.body.stages(), [self.project]]

    def steps(self) -> list[Callable[[Any], Any]]:
        *steps, last = self.body.steps() or [self.body.embed]
        return [*steps, lambda hidden: last(hidden)["embedding"], lambda found: {"embedding": self.project(found)}]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.body.embed(images)
        return {**outputs, "embedding": self.project(outputs["embedding"])}

"""What a step calls: an extractor, from one of its stages on, and a head that only training has."""

from torch import Tensor, nn

from omlzoo.models._extractor import Extractor

__all__ = ["TrainingModel"]


class TrainingModel(nn.Module):
    """Embeddings, or the head's points, of images or of what the stages before ``stage`` gave of them.

    Args:
        body: The extractor that is kept.
        head: Takes embeddings (B, dim); the loss sees what it gives.
        stage: The first one that a step computes; 0 takes images.
    """

    def __init__(self, body: Extractor, head: nn.Module | None = None, stage: int = 0) -> None:
        super().__init__()
        self.body, self.head, self.stage = body, head, stage

    def forward(self, given: Tensor) -> Tensor:
        embeddings = self.body.onward(given, self.stage) if self.stage else self.body(given)
        return embeddings if self.head is None else self.head(embeddings)

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """Those of the body, and the head."""
        return self.body.stages() + ([] if self.head is None else [[self.head]])

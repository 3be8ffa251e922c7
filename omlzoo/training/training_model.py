"""The model of a training step: an extractor, from one of its stages on, with a head or a text tower beside it."""

import torch
from torch import Tensor, nn

from omlzoo.models._dense_heads import OverPatches
from omlzoo.models._extractor import Extractor
from omlzoo.models._last_block import class_token_alone
from omlzoo.models._text_tower import TextTower

__all__ = ["TrainingModel"]


class TrainingModel(nn.Module):
    """Embeddings, or outputs of the head, of images or of the outputs of the stages before ``stage``.

    Args:
        body: The extractor that is kept after training.
        head: Takes embeddings (B, D), or the body and its images where it looks at patches, and computes the input of
            the loss; None for no head.
        stage: The first stage that a step computes, from 0; 0 takes images.
        text: The tower that takes token ids (B, length) int64 in place of images; None for none.
    """

    def __init__(
        self, body: Extractor, head: nn.Module | None = None, stage: int = 0, text: TextTower | None = None
    ) -> None:
        super().__init__()
        self.body, self.head, self.stage, self.text = body, head, stage, text

    def forward(self, given: Tensor) -> Tensor:
        if self.text is not None and given.dtype == torch.int64:
            of_texts: Tensor = self.text(given)
            return of_texts
        if isinstance(self.head, OverPatches):
            rows: Tensor = self.head(self.body, given)
            return rows
        with class_token_alone(self.body):
            embeddings = self.body.onward(given, self.stage) if self.stage else self.body(given)
        return embeddings if self.head is None else self.head(embeddings)

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The stages of the body, and the head as the last one."""
        return self.body.stages() + ([] if self.head is None else [[self.head]])

    def towers(self) -> list[list[list[nn.Module | nn.Parameter]]]:
        """The stages, and those of the text tower where there is one."""
        return [self.stages()] + ([] if self.text is None else [self.text.stages()])

"""The base class of losses over pictures and their captions."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.ops.all_gather import gather as gathered
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import check_batch

__all__ = ["CaptionLoss"]


class CaptionLoss(nn.Module):
    """The base class of losses that compare each picture of a batch with each caption.

    They are called with the embeddings of pictures and of texts, not with labels alone. Both are compared by cosine,
    times a learned scale, the inverse of the temperature. Subclasses implement :meth:`compute`.

    Args:
        temperature: The temperature at the beginning, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        of_captions: That the loss compares pictures with captions.
        log_scale: The logarithm of the scale, a trained parameter.
        stats: "temperature", "right_texts" (share of pictures whose nearest text of the batch is one of theirs),
            "right_pictures" (share of texts likewise), "empty_batches".
    """

    of_captions: ClassVar[bool] = True

    def __init__(self, temperature: float, gather: bool = False) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(-torch.tensor(float(positive_number("temperature", temperature))).log())
        self.gather = gather
        self.stats: dict[str, float] = {"empty_batches": 0.0}

    @property
    def temperature(self) -> float:
        """The temperature as it is now."""
        return float((-self.log_scale.detach()).exp())

    def __repr__(self) -> str:
        return described(self, temperature=repr(float(f"{self.temperature:.6g}")))

    def compute(self, cosines: Tensor, same: Tensor) -> Tensor:
        """The loss ().

        Args:
            cosines: (B, B), of pictures (rows) and texts (columns).
            same: (B, B) bool, whether the text is one of the picture's.
        """
        raise NotImplementedError

    def forward(self, images: Tensor, texts: Tensor, labels: Tensor | None = None) -> Tensor:
        """The loss (); 0 with a gradient of 0 where all pairs of the batch, or the only one, have one label.

        Args:
            images: (B, D), embeddings of pictures, float.
            texts: (B, D), embeddings of their texts, in the same order.
            labels: (B,), integer. Where they are equal, as for equal captions, each text is right for each of the
                pictures. None: each text is right for its own picture alone, as in the papers.

        Raises:
            BadInput: A value is not finite or above 1e15, or shapes do not fit.
        """
        own = torch.arange(len(images), device=getattr(images, "device", None)) if labels is None else labels
        check_batch(images, own, "images")
        check_batch(texts, own, "texts")
        if images.shape[1] != texts.shape[1]:
            raise BadInput(f"images have {images.shape[1]} dimensions, texts {texts.shape[1]}; both must have as many")
        if self.gather:
            images, ids = gathered(images, own)
            texts, _ = gathered(texts, own)
            own = torch.arange(len(images), device=images.device) if labels is None else ids
        same = own[:, None] == own[None, :]
        if same.all():
            self.stats = {"empty_batches": self.stats["empty_batches"] + 1}
            return (images * 0).sum() + (texts * 0).sum() + self.log_scale * 0
        with torch.autocast(images.device.type, enabled=False):
            kind = torch.float64 if images.dtype == torch.float64 else torch.float32
            cosines = cosine(images.to(kind), texts.to(kind))
            value = self.compute(cosines, same)
        found = cosines.detach()
        right = {"right_texts": _right(found, same), "right_pictures": _right(found.T, same)}
        self.stats = {"temperature": self.temperature, **right, "empty_batches": self.stats["empty_batches"]}
        return value


def _right(cosines: Tensor, same: Tensor) -> float:
    """The share of rows whose largest cosine is a right one."""
    return float(same.gather(1, cosines.argmax(dim=1, keepdim=True)).float().mean())

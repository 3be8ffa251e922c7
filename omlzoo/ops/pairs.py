"""A batch of embeddings with labels, checked before anything is computed from it, and what it is compared with."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from omlzoo.errors import BadInput

__all__ = ["Pairs", "check_batch", "check_codes", "label_means", "pair_up"]


@dataclass(frozen=True)
class Pairs:
    """The rows of a batch, each against all others.

    Attributes:
        rows: (B, D), the anchors.
        labels: (B,).
        others: (M, D); the batch itself where there are no references.
        other_labels: (M,).
        own: Row i of the batch is row ``own + i`` of the others; None where the others are other items.
    """

    rows: Tensor
    labels: Tensor
    others: Tensor
    other_labels: Tensor
    own: int | None

    @cached_property
    def same(self) -> Tensor:
        """(B, M): of the same label, an item with itself included."""
        return self.labels[:, None] == self.other_labels[None, :]

    @cached_property
    def itself(self) -> Tensor:
        """(B, M): an item with itself."""
        found = torch.zeros(len(self.labels), len(self.other_labels), dtype=torch.bool, device=self.labels.device)
        if self.own is not None:
            found.diagonal(self.own).fill_(True)
        return found

    @cached_property
    def positive(self) -> Tensor:
        """(B, M): two items of one label."""
        return self.same & ~self.itself

    @cached_property
    def places(self) -> Tensor:
        """(P,): where the pairs of one label stand in a flattened (B, M); they are few of all."""
        return self.positive.flatten().nonzero().flatten()

    @cached_property
    def negative(self) -> Tensor:
        """(B, M): items of two labels."""
        return ~self.same

    def summary(self, values: Tensor, unit: str) -> dict[str, Tensor]:
        """Means over pairs and the hardest of them, for the statistics of a loss.

        Args:
            values: (B, M), distances or cosines.
            unit: "distance" or "cosine", which says what is hard and ends the names.

        Returns:
            "positive_<unit>" and "negative_<unit>", the means, and "hardest_positive_<unit>" and
            "hardest_negative_<unit>", each (); NaN where there is no such pair.
        """
        near = values.detach().flatten().index_select(0, self.places)
        far = values.detach().masked_fill(self.same, 0)
        count = far.numel() - self.same.count_nonzero()
        mean = far.sum() / count
        missing = values.new_tensor(torch.nan)
        largest, smallest = (torch.amax, torch.amin) if unit == "distance" else (torch.amin, torch.amax)
        far.masked_fill_(self.same, torch.inf if unit == "distance" else -torch.inf)
        return {
            f"positive_{unit}": near.mean(),
            f"hardest_positive_{unit}": largest(near) if len(near) else missing,
            f"negative_{unit}": mean,
            f"hardest_negative_{unit}": torch.where(count > 0, smallest(far), missing) if far.numel() else missing,
        }


def pair_up(
    embeddings: Tensor,
    labels: Tensor,
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
    own: int | None = None,
) -> Pairs:
    """A batch (B, D) and (B,) against references (M, D) and (M,), or against itself where none are given.

    Args:
        embeddings: (B, D), finite.
        labels: (B,).
        ref_embeddings: (M, D), finite.
        ref_labels: (M,).
        own: Where the batch stands among the references, if it does: row i of it is reference ``own + i``.

    Raises:
        BadInput: Shapes do not fit, or a value is not finite.
    """
    check_batch(embeddings, labels)
    if (ref_embeddings is None) != (ref_labels is None):
        raise BadInput("references need both ref_embeddings and ref_labels; give both or neither")
    if ref_embeddings is None or ref_labels is None:
        return Pairs(embeddings, labels, embeddings, labels, 0)
    check_batch(ref_embeddings, ref_labels, "ref_embeddings")
    if ref_embeddings.shape[1] != embeddings.shape[1]:
        widths = f"{embeddings.shape[1]} and {ref_embeddings.shape[1]}"
        raise BadInput(f"embeddings and ref_embeddings have {widths} columns; they must have the same")
    if own is not None and not 0 <= own <= len(ref_labels) - len(labels):
        raise BadInput(f"own is {own}; {len(labels)} rows from there do not lie in {len(ref_labels)} references")
    return Pairs(embeddings, labels, ref_embeddings.to(embeddings.dtype), ref_labels.to(labels.device), own)


def check_batch(embeddings: Tensor, labels: Tensor, name: str = "embeddings") -> None:
    """Refuse a batch that would give a quiet NaN or a wrong pairing."""
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        shapes = f"{tuple(embeddings.shape)} and {tuple(labels.shape)}"
        raise BadInput(f"{name} and their labels have the shapes {shapes}; they must be (B, D) and (B,)")
    if torch.isfinite(embeddings.detach().sum()):  # one pass; an infinity or NaN anywhere shows in it
        return
    bad = int((~torch.isfinite(embeddings.detach()).all(dim=1)).sum())
    if bad:
        raise BadInput(f"{name}: {bad} of {len(embeddings)} rows hold NaN or infinity; lower the learning rate")


def check_codes(labels: Tensor, count: int) -> Tensor:
    """The labels (B,) as int64, if they are codes from 0 to count - 1; else BadInput."""
    codes = labels.long()
    if len(codes) and not (int(codes.min()) >= 0 and int(codes.max()) < count):
        span = f"{int(codes.min())} and {int(codes.max())}"
        raise BadInput(f"labels lie between {span}; this loss has {count} of them, from 0 on")
    return codes


def label_means(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mean row of each label, with gradients.

    Args:
        rows: (B, D).
        labels: (B,).

    Returns:
        The labels (L,), sorted; their means (L, D); of each row the place of its label (B,); of each label how many
        rows it has (L,).
    """
    names, places, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = rows.new_zeros(len(names), rows.shape[1]).index_add(0, places, rows)
    return names, sums / counts[:, None].to(rows.dtype), places, counts

"""A batch of embeddings with labels, checked before anything is computed from it, and the items it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.ops.rows import check_rows

__all__ = [
    "Indices", "Pairs", "check_batch", "check_codes", "check_indices", "detached", "label_means", "pair_up",
    "whole_numbers",
]  # fmt: skip

Indices = Sequence[Tensor]  # of three: triplets; of four: anchors and positives, anchors and negatives


@dataclass(frozen=True)
class Pairs:
    """All pairs of an item of a batch (the anchor) and an item that it is compared with.

    Attributes:
        rows: (B, D), embeddings of the anchors.
        labels: (B,), labels of the anchors.
        others: (M, D), embeddings of the items they are compared with; the batch itself where there are no references.
        other_labels: (M,), labels of these items.
        own: Row i of the batch is row ``own + i`` of the others; None where the batch is not among the others.
        indices: The pairs or triplets that were chosen; None for all pairs. Then the positive and negative pairs are
            those of the indices whatever the labels, each once, and all other pairs count as an item with itself.
    """

    rows: Tensor
    labels: Tensor
    others: Tensor
    other_labels: Tensor
    own: int | None
    indices: Indices | None = None

    @cached_property
    def chosen(self) -> tuple[Tensor, Tensor]:
        """(B, M) bool each: the positive and the negative pairs of the indices."""
        first, near, second, far = self._listed
        shape = len(self.labels), len(self.other_labels)
        positive = torch.zeros(shape, dtype=torch.bool, device=self.labels.device)
        negative = torch.zeros_like(positive)
        positive[first, near] = True
        negative[second, far] = True
        return positive & ~negative, negative

    @property
    def _listed(self) -> Indices:
        indices = self.indices or ()
        return indices if len(indices) == 4 else (indices[0], indices[1], indices[0], indices[2])

    @cached_property
    def same(self) -> Tensor:
        """(B, M) bool: pairs with the same label, including each item with itself."""
        if self.indices is not None:
            return ~self.chosen[1]
        return self.labels[:, None] == self.other_labels[None, :]

    @cached_property
    def itself(self) -> Tensor:
        """(B, M) bool: each item with itself."""
        if self.indices is not None:
            return ~(self.chosen[0] | self.chosen[1])
        mask = torch.zeros(len(self.labels), len(self.other_labels), dtype=torch.bool, device=self.labels.device)
        if self.own is not None:
            mask.diagonal(self.own).fill_(True)
        return mask

    @cached_property
    def positive(self) -> Tensor:
        """(B, M) bool: the positive pairs, two different items with the same label."""
        return self.same & ~self.itself

    @cached_property
    def places(self) -> Tensor:
        """(P,): positions of the positive pairs in the flattened (B, M); they are a small share of all pairs."""
        return self.positive.flatten().nonzero().flatten()

    @cached_property
    def negative(self) -> Tensor:
        """(B, M) bool: the negative pairs, two items with different labels."""
        return ~self.same

    def summary(self, values: Tensor, unit: str) -> dict[str, Tensor]:
        """Means over the positive and negative pairs and the hardest of each, for the statistics of a loss.

        Args:
            values: (B, M), distances or cosines.
            unit: "distance" or "cosine". It ends the names and decides which pairs are hard: positive pairs at a large
                distance or small cosine, negative pairs at a small distance or large cosine.

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
    """The pairs of a batch with references, or with itself where no references are given.

    Args:
        embeddings: (B, D), float, finite.
        labels: (B,), integer.
        ref_embeddings: (M, D), float, finite; None compares the batch with itself.
        ref_labels: (M,), integer; given if and only if ``ref_embeddings`` is.
        own: Position of the batch's first row among the references: row i of the batch is reference ``own + i``. None
            if the batch is not among them.

    Raises:
        BadInput: Shapes do not fit, or a value is not finite or above 1e15.
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


def check_indices(indices: Indices, rows: int, others: int) -> Indices:
    """The indices of pairs or triplets, as int64.

    Args:
        indices: Three tensors (T,): anchors, positives, negatives. Or four: anchors and their positives (P,), anchors
            and their negatives (N,), as the miners of PyTorch Metric Learning give them.
        rows: The number of anchors, B.
        others: The number of items that they are compared with, M.

    Raises:
        BadInput: They are no such tensors, or point to rows that are not there.
    """
    if len(indices) not in (3, 4) or not all(isinstance(each, Tensor) and each.ndim == 1 for each in indices):
        kinds = ", ".join(type(each).__name__ for each in indices)
        raise BadInput(f"indices are {len(indices)} values ({kinds}); give 3 or 4 tensors of row numbers, as miners do")
    anchors = (0,) if len(indices) == 3 else (0, 2)
    sizes = [{len(each) for each in indices}] if len(indices) == 3 else [
        {len(each) for each in indices[:2]}, {len(each) for each in indices[2:]}]  # fmt: skip
    if any(len(lengths) > 1 for lengths in sizes):
        raise BadInput(
            f"indices have {', '.join(str(len(each)) for each in indices)} rows; those of a pair go together"
        )
    for number, each in enumerate(indices):
        count = rows if number in anchors else others
        if len(each) and not (int(each.min()) >= 0 and int(each.max()) < count):
            span = f"{int(each.min())} and {int(each.max())}"
            raise BadInput(f"indices[{number}] lie between {span}; there are {count} rows to choose from")
    return tuple(each.long() for each in indices)


def detached(embeddings: Tensor) -> Tensor:
    """Embeddings without their graph; what is no tensor is returned, for :func:`check_batch` to refuse."""
    return embeddings.detach() if isinstance(embeddings, Tensor) else embeddings


def check_batch(embeddings: Tensor, labels: Tensor, name: str = "embeddings") -> None:
    """Refuse a batch that would lead to NaN or to wrong pairs without an error.

    Args:
        embeddings: (B, D), float.
        labels: (B,), integer.
        name: What to call the embeddings in the message of an error.

    Raises:
        BadInput: The shapes or kinds do not fit, or a value is NaN, infinite or above 1e15.
    """
    given = embeddings, labels
    if not all(isinstance(each, Tensor) for each in given) or not embeddings.is_floating_point() or labels.is_complex():
        kinds = " and ".join(str(each.dtype) if isinstance(each, Tensor) else type(each).__name__ for each in given)
        raise BadInput(f"{name} and their labels are {kinds}; they must be tensors of float and of whole numbers")
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        shapes = f"{tuple(embeddings.shape)} and {tuple(labels.shape)}"
        raise BadInput(f"{name} and their labels have the shapes {shapes}; they must be (B, D) and (B,)")
    check_rows(name, embeddings, "lower the learning rate")
    if labels.is_floating_point() and labels.isnan().any():
        raise BadInput(f"the labels of {name}: {int(labels.isnan().sum())} are NaN; give each row a label")


def check_codes(labels: Tensor, count: int) -> Tensor:
    """The labels (B,) as int64.

    Args:
        labels: (B,), each from 0 to ``count`` - 1.
        count: How many labels there are.

    Raises:
        BadInput: A label is no whole number, below 0, or ``count`` or above.
    """
    codes = whole_numbers(labels)
    if len(codes) and not (int(codes.min()) >= 0 and int(codes.max()) < count):
        span = f"{int(codes.min())} and {int(codes.max())}"
        raise BadInput(f"labels lie between {span}; this loss has {count} of them, from 0 on")
    return codes


def whole_numbers(labels: Tensor) -> Tensor:
    """The labels (B,) as int64.

    Raises:
        BadInput: They are no whole numbers, and would be cut.
    """
    if labels.dtype == torch.bool:
        raise BadInput("labels are bool; give whole numbers, such as labels.long()")
    codes = labels.long()
    if labels.is_floating_point() and len(labels) and (codes != labels).any():
        first = labels[codes != labels][0]
        raise BadInput(f"labels hold {float(first):g}, which is no whole number; give codes from 0 on")
    return codes


def label_means(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mean row of each label, with gradients.

    Args:
        rows: (B, D), float.
        labels: (B,), integer.

    Returns:
        The distinct labels (L,), sorted; the mean of each (L, D); for each row the index of its label among them (B,);
        and the number of rows of each label (L,).
    """
    names, codes, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = rows.new_zeros(len(names), rows.shape[1]).index_add(0, codes, rows)
    return names, sums / counts[:, None].to(rows.dtype), codes, counts

"""Miners of triplets, which return indices of anchors, positives and negatives."""

from typing import Any

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.miners._triplet_miner import TripletMiner, Triplets
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs, label_means

__all__ = [
    "AllTriplets", "EasyPositive", "GivenTriplets", "HardCluster", "HardTriplets", "NHardTriplets", "SemiHardTriplets",
    "StackedTriplets",
]  # fmt: skip


class AllTriplets(TripletMiner):
    """All triplets: every anchor with every positive and every negative."""

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        anchors, positives = pairs.positive.nonzero(as_tuple=True)
        negative = pairs.negative.index_select(0, anchors)  # (P, M)
        positions = negative.flatten().nonzero().flatten()  # (T,)
        chosen = torch.repeat_interleave(negative.sum(dim=1), output_size=len(positions))
        return (
            anchors.index_select(0, chosen),
            positives.index_select(0, chosen),
            positions - chosen * negative.shape[1],
        )


class HardTriplets(TripletMiner):
    """For every anchor its farthest positive and its nearest negative (arXiv 1703.07737); of equal ones the first."""

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        distances = euclidean(pairs.rows, pairs.others)
        farthest = distances.masked_fill(~pairs.positive, -torch.inf).max(dim=1)
        return _extremes(farthest, distances.masked_fill_(pairs.same, torch.inf).min(dim=1))


class EasyPositive(TripletMiner):
    """For every anchor its nearest positive and its nearest negative (arXiv 1904.03370); of equal ones the first."""

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        distances = euclidean(pairs.rows, pairs.others)
        closest = distances.masked_fill(~pairs.positive, torch.inf).min(dim=1)
        return _extremes(closest, distances.masked_fill_(pairs.same, torch.inf).min(dim=1))


class SemiHardTriplets(TripletMiner):
    """For every positive pair the nearest negative that is farther from the anchor than the positive.

    These are the semi-hard triplets of FaceNet (arXiv 1503.03832). A pair without such a negative gives no triplet.

    Args:
        margin: The negative must be farther by less than this Euclidean distance, above 0; None sets no limit.
    """

    def __init__(self, margin: float | None = None) -> None:
        if margin is not None and not margin > 0:
            raise BadInput(f"margin is {margin}; it must be above 0, or None")
        self.margin = margin

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        distances = euclidean(pairs.rows, pairs.others)
        anchors, positives = pairs.positive.nonzero(as_tuple=True)
        near = distances[anchors, positives][:, None]  # (P, 1)
        far = distances.index_select(0, anchors)  # (P, M)
        usable = pairs.negative.index_select(0, anchors) & (far > near)
        if self.margin is not None:
            usable &= far < near + self.margin
        nearest = far.masked_fill(~usable, torch.inf).argmin(dim=1) if far.numel() else anchors
        has_negative = usable.any(dim=1)
        return anchors[has_negative], positives[has_negative], nearest[has_negative]


class NHardTriplets(TripletMiner):
    """For every anchor its n farthest positives, each with its n nearest negatives.

    Args:
        n_positive: How many of the farthest positives; or (first, last), ranks counted from 1 of the positives to use,
            such as (2, 5), which leaves out the very hardest, as its label may be wrong.
        n_negative: How many of the nearest negatives, or (first, last), their ranks.
    """

    def __init__(self, n_positive: int | tuple[int, int] = 1, n_negative: int | tuple[int, int] = 1) -> None:
        self.positives = _places("n_positive", n_positive)
        self.negatives = _places("n_negative", n_negative)

    def __repr__(self) -> str:
        counts = [last if first == 0 else (first + 1, last) for first, last in (self.positives, self.negatives)]
        return described(self, n_positive=str(counts[0]), n_negative=str(counts[1]))

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        distances = euclidean(pairs.rows, pairs.others)
        near, has_near = _ranked(distances.masked_fill(~pairs.positive, -torch.inf), *self.positives, largest=True)
        far, has_far = _ranked(distances.masked_fill_(pairs.same, torch.inf), *self.negatives, largest=False)
        anchors, p, n = (has_near[:, :, None] & has_far[:, None, :]).nonzero(as_tuple=True)
        return anchors, near[anchors, p], far[anchors, n]


class HardCluster(TripletMiner):
    """For the mean of every label the farthest item of the label and the nearest mean of another (arXiv 1710.01202).

    The indices refer to :meth:`points`, which are the batch followed by the means of its labels, in ascending order of
    the labels. A label with a single item gives no triplet of its own, but its mean can be the negative of others.
    """

    def points(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The batch followed by the means of its labels, (B + L, D), with gradients.

        Args:
            embeddings: (B, D), float.
            labels: (B,), integer, with L distinct values.
        """
        return torch.cat([embeddings, label_means(embeddings, labels)[1]])

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices (T,) into :meth:`points` of means, their farthest items, and the nearest other means.

        Raises:
            BadInput: The pairs are with references.
        """
        if pairs.others is not pairs.rows:
            raise BadInput("HardCluster takes no references; call it with embeddings and labels only")
        size = len(pairs.labels)
        names, means, codes, counts = label_means(pairs.rows, pairs.labels)
        own = torch.arange(len(names), device=codes.device)[:, None] == codes[None, :]  # (L, B)
        if len(names) < 2:
            return (codes[:0],) * 3
        farthest = euclidean(means, pairs.rows).masked_fill(~own, -torch.inf).argmax(dim=1)
        between = euclidean(means, means)
        between.diagonal().fill_(torch.inf)
        anchors = (counts > 1).nonzero().flatten()
        return size + anchors, farthest[anchors], size + between.argmin(dim=1)[anchors]


class GivenTriplets:
    """Triplets that are known beforehand, such as those of a file.

    Args:
        anchors: (T,), rows of the batch.
        positives: (T,), rows of the references, or of the batch where there are no references.
        negatives: (T,), rows of the references, or of the batch where there are no references.
    """

    def __init__(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> None:
        if not anchors.shape == positives.shape == negatives.shape or anchors.ndim != 1:
            shapes = f"{tuple(anchors.shape)}, {tuple(positives.shape)} and {tuple(negatives.shape)}"
            raise BadInput(f"anchors, positives and negatives have the shapes {shapes}; they must be (T,) each")
        self.triplets = anchors, positives, negatives

    def __repr__(self) -> str:
        indices = f"<{len(self.triplets[0])} indices>"
        return described(self, anchors=indices, positives=indices, negatives=indices)

    def __call__(self, embeddings: Tensor, labels: Tensor, *_: object) -> Triplets:
        """The same triplets for every batch; only the device of the labels is used.

        Raises:
            BadInput: The labels are no tensor (B,).
        """
        _check_labels(labels)
        anchors, positives, negatives = (indices.to(labels.device) for indices in self.triplets)
        return anchors, positives, negatives


class StackedTriplets:
    """Triplets of batches that consist of T anchors, then T positives, then T negatives, whatever the labels."""

    def __repr__(self) -> str:
        return described(self)

    def __call__(self, embeddings: Tensor, labels: Tensor, *_: object) -> Triplets:
        """The indices 0 to T - 1, T to 2T - 1 and 2T to 3T - 1; only the number of labels and their device are used.

        Raises:
            BadInput: The number of rows is not a multiple of 3, or the labels are no tensor (B,).
        """
        _check_labels(labels)
        if len(labels) % 3:
            raise BadInput(f"the batch has {len(labels)} rows; stacked triplets need a multiple of 3")
        anchors, positives, negatives = torch.arange(len(labels), device=labels.device).view(3, -1)
        return anchors, positives, negatives


def _check_labels(labels: object) -> None:
    if not isinstance(labels, Tensor) or labels.ndim != 1:
        kind = f"of the shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise BadInput(f"the labels are {kind}; they must be a tensor (B,)")


def _extremes(positives: Any, negatives: Any) -> Triplets:
    """Triplets of the anchors that have a positive and a negative, whose values are then finite."""
    anchors = (positives.values.isfinite() & negatives.values.isfinite()).nonzero().flatten()
    return anchors, positives.indices[anchors], negatives.indices[anchors]


def _places(name: str, n: int | tuple[int, int]) -> tuple[int, int]:
    """The range of ranks counted from 0, as (first, last) without the last."""
    first, last = (1, n) if isinstance(n, int) else tuple(n)
    if not 1 <= first <= last:
        raise BadInput(f"{name} is {n}; it must be 1 or more, or (first, last) with 1 <= first <= last")
    return first - 1, last


def _ranked(values: Tensor, first: int, last: int, largest: bool) -> tuple[Tensor, Tensor]:
    """Columns of the extreme values of each row from rank first to last, and which are finite, (B, n) each."""
    extremes = values.topk(min(last, values.shape[1]), dim=1, largest=largest)
    return extremes.indices[:, first:], torch.isfinite(extremes.values)[:, first:]

"""Verification metrics: whether two pictures have the same label, from the distances of all pairs, counted in blocks.

A positive pair has the same label, a negative pair has two different ones. A pair is accepted where its Euclidean
distance is below a threshold.

    far, fmr      share of negative pairs that are accepted: false accept rate (FAR), false match rate
    tar           share of positive pairs that are accepted: true accept rate (TAR)
    frr, fnmr     1 - tar: false reject rate (FRR), false non-match rate
    tar@far=x     tar at the distance that is the x-quantile of the distances of negative pairs
    eer           where far and frr are equal, on the line between the two nearest thresholds
    auc           chance that a positive pair is nearer than a negative pair; ties count half
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.metrics._pair_curve import PairCurve, pair_curve
from omlzoo.metrics._selection import Flags, Ids, Selection, select
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["Verification", "auc", "eer", "fnmr_at_fmr", "verification", "verification_of"]


@dataclass(frozen=True)
class Verification:
    """The results of :func:`verification`.

    Attributes:
        metrics: "auc", "eer", and for each FAR the TAR "tar@far=0.001" with its threshold "distance@far=0.001" and,
            where distances were counted in bins, the largest error of that TAR, "tar@far=0.001 within". "same_pairs"
            and "other_pairs" are the numbers of positive and negative pairs.
        curve: The counts of pairs at each distance: the receiver operating characteristic.
    """

    metrics: dict[str, float]
    curve: PairCurve


def verification(
    embeddings: Rows,
    labels: Ids,
    *,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    cameras: Ids = None,
    far: Sequence[float] = (1e-3, 1e-2),
) -> Verification:
    """Verification metrics by Euclidean distance, over every query with every gallery row.

    Args:
        embeddings: (N, D).
        labels: (N,) ids of any kind.
        is_query: (N,) bool; all rows by default.
        is_gallery: (N,) bool; all rows by default. A row is never paired with itself.
        sequences: (N,) ids; pairs within a sequence do not count.
        cameras: (N,) ids; positive pairs of the same camera do not count.
        far: False accept rates (FAR), from 0 to 1.

    Raises:
        BadInput: Shapes differ, an embedding is not finite or above 1e15, a rate is out of its range, or there
            are no positive or no negative pairs.
    """
    vectors = as_rows(embeddings, "embeddings").cpu()
    return verification_of(vectors, select(len(vectors), labels, is_query, is_gallery, sequences, cameras), far)


def verification_of(vectors: Tensor, selection: Selection, far: Sequence[float] = (1e-3, 1e-2)) -> Verification:
    """As :func:`verification`, of rows whose queries, gallery and labels were checked already.

    Args:
        vectors: (N, D).
        selection: Queries, gallery, labels and sequences of these N rows.
        far: False accept rates (FAR), from 0 to 1.

    Raises:
        BadInput: As in :func:`verification`.
    """
    curve = _curve(vectors, selection, far, "far")
    metrics = {"auc": auc(curve), "eer": eer(curve)}
    for rate in far:
        distance = curve.distance_at_far(rate)
        metrics[f"tar@far={rate:g}"] = curve.nearer(distance)[0]
        metrics[f"distance@far={rate:g}"] = distance
        if not curve.exact:
            metrics[f"tar@far={rate:g} within"] = curve.resolution(distance)
    return Verification({**metrics, "same_pairs": int(curve.same[-1]), "other_pairs": int(curve.other[-1])}, curve)


def fnmr_at_fmr(
    embeddings: Rows,
    labels: Ids,
    fmr: Sequence[float] = (1e-3,),
    *,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    cameras: Ids = None,
) -> dict[str, float]:
    """Share of positive pairs that are rejected at false match rates: {"fnmr@fmr=0.001": ...}.

    The threshold is the quantile of the distances of negative pairs, and a positive pair at exactly that distance is
    rejected, as in Open Metric Learning. The threshold is exact up to 16 million pairs, and beyond that correct to
    1/16,000 of the range of the squared distances.

    Args:
        embeddings: (N, D).
        labels: (N,) ids of any kind.
        fmr: False match rates (the same as FAR), from 0 to 1.
        is_query: (N,) bool; all rows by default.
        is_gallery: (N,) bool; all rows by default. A row is never paired with itself.
        sequences: (N,) ids; pairs within a sequence do not count.
        cameras: (N,) ids; positive pairs of the same camera do not count.

    Raises:
        BadInput: As in :func:`verification`.
    """
    vectors = as_rows(embeddings, "embeddings").cpu()
    selection = select(len(vectors), labels, is_query, is_gallery, sequences, cameras)
    curve = _curve(vectors, selection, fmr, "fmr")
    return {f"fnmr@fmr={rate:g}": 1 - curve.nearer(curve.distance_at_far(rate))[0] for rate in fmr}


def auc(curve: PairCurve) -> float:
    """Area under the receiver operating characteristic (TAR over FAR)."""
    same, other = np.diff(curve.accepted, prepend=0), np.diff(curve.wrongly_accepted, prepend=0)
    return float((other * (curve.accepted - same / 2)).sum())


def eer(curve: PairCurve) -> float:
    """The equal error rate, where FAR and FRR are equal."""
    far, frr = np.r_[0, curve.wrongly_accepted], 1 - np.r_[0, curve.accepted]
    after = int(np.argmax(far >= frr))
    gaps = frr[after - 1] - far[after - 1], far[after] - frr[after]
    share = gaps[0] / (gaps[0] + gaps[1])
    return float(far[after - 1] + share * (far[after] - far[after - 1]))


def _curve(vectors: Tensor, selection: Selection, rates: Sequence[float], name: str) -> PairCurve:
    for rate in rates:
        if not 0 <= rate <= 1:
            raise BadInput(f"{name} is {rate}; it is a share, between 0 and 1")
    return pair_curve(vectors, selection)

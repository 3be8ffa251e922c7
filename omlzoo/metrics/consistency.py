"""Whether one threshold suits all labels: OPIS (arXiv 2307.04047).

At a distance threshold d let phi be the share of a label's negative pairs that are farther than d (specificity), and
psi the share of its positive pairs that are at most d apart (sensitivity). The utility of the label is their F-measure,

    U(d) = (1 + beta^2) phi psi / (beta^2 phi + psi)        (0 where both are 0)

and OPIS is the variance of U between labels at the same threshold, averaged over the thresholds between two global
false accept rates (FAR). It is 0 where every label has the same curve.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.metrics._pair_curve import PairCurve, pair_curve, pairs_by_label
from omlzoo.metrics._selection import Ids, select
from omlzoo.ops.codes import label_codes
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["Utilities", "opis", "utilities"]

STEPS = 401  # thresholds, evenly spaced in distance


@dataclass(frozen=True)
class Utilities:
    """Utility of each label at each threshold.

    Attributes:
        labels: (T,) the labels with two rows or more.
        distances: (K,) thresholds, from the lower false accept rate to the higher.
        values: (T, K) utilities in [0, 1].
        single: Number of labels with a single row, which have no utility.
    """

    labels: list[Any]
    distances: np.ndarray
    values: np.ndarray
    single: int

    @property
    def opis(self) -> float:
        """Variance between labels, averaged over the thresholds by the trapezoid rule."""
        return self._over_range(self.values.var(axis=0))

    def epsilon_opis(self, epsilon: float = 0.1) -> float:
        """Squared gap between the mean curves of the best and of the worst share of labels, averaged over thresholds.

        Args:
            epsilon: The share of labels, above 0 and at most 0.5; at least one label is taken.

        Raises:
            BadInput: ``epsilon`` is out of that range.
        """
        if not 0 < epsilon <= 0.5:
            raise BadInput(f"epsilon is {epsilon}; it is a share of labels, above 0 and at most 0.5")
        count = max(1, round(epsilon * len(self.values)))
        order = np.argsort([self._over_range(curve) for curve in self.values], kind="stable")
        worst, best = self.values[order[:count]].mean(axis=0), self.values[order[-count:]].mean(axis=0)
        return self._over_range(np.square(best - worst))

    def _over_range(self, curve: np.ndarray) -> float:
        span = self.distances[-1] - self.distances[0]
        area = (np.diff(self.distances) * (curve[1:] + curve[:-1]) / 2).sum()  # np.trapezoid, which numpy 1 lacks
        return float(area / span) if span > 0 else float(curve[0])


def opis(embeddings: Rows, labels: Ids, far: tuple[float, float] = (1e-2, 1e-1), beta: float = 1.0) -> float:
    """How much the utility of a threshold differs between labels, OPIS: 0 is not at all, lower is better.

    Args:
        embeddings: (N, D); distances are Euclidean.
        labels: (N,) ids of any kind; those with one row are left out.
        far: The two global false accept rates (FAR) between which thresholds are taken, from 0 to 1, the lower first.
        beta: Weight of sensitivity against specificity, above 0.

    Raises:
        BadInput: A rate or beta is out of its range, an embedding is not finite or above 1e15, or there are no positive
            or no negative pairs.
    """
    return utilities(embeddings, labels, far, beta).opis


def utilities(
    embeddings: Rows,
    labels: Ids,
    far: tuple[float, float] = (1e-2, 1e-1),
    beta: float = 1.0,
    *,
    curve: PairCurve | None = None,
) -> Utilities:
    """The curves that :func:`opis` compares.

    Args:
        embeddings: (N, D); distances are Euclidean.
        labels: (N,) ids of any kind; those with one row are left out.
        far: The two global false accept rates (FAR) between which thresholds are taken, from 0 to 1, the lower first.
        beta: Weight of sensitivity against specificity, above 0.
        curve: Counts of the pairs that the false accept rates are measured on, where they were counted already. By
            default all pairs of these rows are counted.

    Raises:
        BadInput: A rate or beta is out of its range, an embedding is not finite or above 1e15, or there are no positive
            or no negative pairs.
    """
    if not 0 <= far[0] < far[1] <= 1:
        raise BadInput(f"far is {far}; give two shares, the lower one first")
    if not beta > 0:
        raise BadInput(f"beta is {beta}; it must be above 0")
    vectors = as_rows(embeddings, "embeddings").cpu()
    chosen = select(len(vectors), labels)
    curve = curve or pair_curve(vectors, chosen)
    low, high = (curve.distance_at_far(rate) for rate in far)
    edges = np.linspace(low, high, STEPS) if high > low else np.array([low, low + 1e-6])
    same, other = pairs_by_label(vectors, chosen.labels, edges)
    usable = (same[:, -1] > 0) & (other[:, -1] > 0)
    psi, phi = same[usable, :-1] / same[usable, -1:], 1 - other[usable, :-1] / other[usable, -1:]
    below = beta**2 * phi + psi
    values = np.divide((1 + beta**2) * phi * psi, below, out=np.zeros_like(below), where=below > 0)
    if high <= low:
        edges, values = edges[:1], values[:, :1]
    names = label_codes(labels, "labels")[1] if labels is not None else []
    return Utilities(
        [name for name, kept in zip(names, usable, strict=True) if kept], edges, values, int((~usable).sum())
    )

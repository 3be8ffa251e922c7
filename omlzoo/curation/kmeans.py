"""k-means by scipy, which shows what kinds of pictures there are."""

from dataclasses import dataclass

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.ops.rows import Rows, as_rows, conditioned

__all__ = ["Clusters", "clusters"]


@dataclass(frozen=True)
class Clusters:
    """A division of rows into clusters, the largest first.

    Attributes:
        members: The rows of each cluster, the nearest to its centre first.
        centres: (K, D), the centres of the clusters.
    """

    members: list[np.ndarray]
    centres: np.ndarray


def clusters(vectors: Rows, count: int, seed: int = 0) -> Clusters:
    """Divide rows into clusters by scipy's k-means with k-means++ initialisation; empty clusters are left out.

    Args:
        vectors: (N, D).
        count: The number of clusters, from 1 to N.
        seed: Seed of the initialisation.

    Raises:
        MissingExtra: scipy is not installed.
        BadInput: ``count`` is out of its range, or a vector is not finite or above 1e15.
    """
    kmeans2 = catalog.optional("scipy.cluster.vq", "calibration").kmeans2
    given = as_rows(vectors, "vectors").float()
    near, factor, first = conditioned(given)
    points = near.float().numpy()
    if not 1 <= count <= len(points):
        raise BadInput(f"count is {count}; it must be from 1 to the {len(points)} rows there are")
    centres, codes = kmeans2(points, count, minit="++", rng=seed, missing="warn")
    apart = np.linalg.norm(points - centres[codes], axis=1)
    if factor != 1 or first is not None:
        centres = (centres.astype(np.float64) / factor + (0.0 if first is None else first.numpy())).astype(np.float32)
    nonempty = [(code, rows) for code in range(count) if len(rows := np.flatnonzero(codes == code))]
    nonempty.sort(key=lambda each: (-len(each[1]), each[0]))
    members = [rows[np.argsort(apart[rows], kind="stable")] for _, rows in nonempty]
    return Clusters(members, np.stack([centres[code] for code, _ in nonempty]))

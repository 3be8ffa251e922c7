"""k-means by scipy, which shows what kinds of pictures there are."""

from dataclasses import dataclass

import numpy as np

from omlzoo.errors import BadInput, MissingExtra

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


def clusters(vectors: np.ndarray, count: int, seed: int = 0) -> Clusters:
    """Divide rows into clusters by scipy's k-means with k-means++ initialisation; empty clusters are left out.

    Args:
        vectors: (N, D).
        count: The number of clusters, from 1 to N.
        seed: Seed of the initialisation.

    Raises:
        MissingExtra: scipy is not installed.
        BadInput: ``count`` is out of its range.
    """
    try:
        from scipy.cluster.vq import kmeans2
    except ImportError as error:
        raise MissingExtra("scipy", "calibration") from error
    vectors = np.asarray(vectors, dtype=np.float32)
    if not 1 <= count <= len(vectors):
        raise BadInput(f"count is {count}; it must be from 1 to the {len(vectors)} rows there are")
    centres, codes = kmeans2(vectors, count, minit="++", rng=seed, missing="warn")
    apart = np.linalg.norm(vectors - centres[codes], axis=1)
    nonempty = [(code, rows) for code in range(count) if len(rows := np.flatnonzero(codes == code))]
    nonempty.sort(key=lambda each: (-len(each[1]), each[0]))
    members = [rows[np.argsort(apart[rows], kind="stable")] for _, rows in nonempty]
    return Clusters(members, np.stack([centres[code] for code, _ in nonempty]))

"""What a collection of images holds: near-duplicates, images unlike all others, kinds."""

from dataclasses import dataclass

import numpy as np

from omlzoo.curation._how import says_how
from omlzoo.curation.kmeans import clusters as find_clusters
from omlzoo.curation.outlier_detection import near_duplicates, outliers
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput

__all__ = ["Collection", "describe_collection"]

STRANGE = 12  # images that are unlike all others
COMPARED = 500  # rows of a group whose labels or splits differ
NEIGHBOURS = 5  # whose distance says how unlike all others an image is


@dataclass(frozen=True)
class Collection:
    """What a collection holds.

    Attributes:
        embeddings: Embeddings of the images that have a vector.
        distance: Largest Euclidean distance of near-duplicates.
        duplicates: Rows of each group of near-duplicates, the largest group first.
        strangest: Rows of the images that are least like all others, the strangest first.
        strangeness: (N,) outlier score of every row, the larger the stranger.
        kinds: Rows of each cluster, the most central first.
        centres: (K, D) centres of the clusters.
        failed: How many images had no vector and were left out.
        how: How near-duplicates and outliers were looked for, in one sentence.
    """

    embeddings: Embeddings
    distance: float
    duplicates: list[np.ndarray]
    strangest: np.ndarray
    strangeness: np.ndarray
    kinds: list[np.ndarray]
    centres: np.ndarray
    failed: int
    how: str

    def by_importance(self) -> dict[str, list[np.ndarray]]:
        """The groups of near-duplicates: those of several labels first, then those of several splits, then the rest.

        In the first two the group with the nearest such pair comes first, in the rest the largest one.
        """
        table, vectors = self.embeddings.table, self.embeddings.vectors
        left = list(self.duplicates)
        found: dict[str, list[np.ndarray]] = {}
        for kind, column in (("labels", "label"), ("splits", "split")):
            if column not in table:
                found[kind] = []
                continue
            values = table[column].fillna("").astype(str).to_numpy()
            apart = [_nearest_of_two(vectors[rows], values[rows]) for rows in left]
            order = np.argsort(apart, kind="stable")
            found[kind] = [left[place] for place in order if np.isfinite(apart[place])]
            left = [rows for rows, distance in zip(left, apart, strict=True) if not np.isfinite(distance)]
        return {**found, "rest": left}


def describe_collection(
    embeddings: Embeddings, distance: float = 0.1, clusters: int = 20, seed: int = 0, *, exhaustive: bool | None = None
) -> Collection:
    """Near-duplicates, outliers and kinds among embeddings.

    Args:
        embeddings: Embeddings, with a vector for at least two images.
        distance: Euclidean distance; images at that distance or less are near-duplicates.
        clusters: Number of kinds to find; fewer where there are fewer images.
        seed: Seed of the clustering.
        exhaustive: Compare all rows with all; None does so up to 20,000 rows, of more those that a graph proposes.

    Raises:
        BadInput: Fewer than two rows have a vector.
    """
    good = embeddings.rows(embeddings.good)
    failed = len(embeddings) - len(good)
    if len(good) < 2:
        left_out = f"; {failed} without a vector were left out" if failed else ""
        raise BadInput(f"there are {len(good)} rows with a vector{left_out}; there is nothing to compare")
    strangeness = outliers(good.vectors, min(NEIGHBOURS, len(good) - 1), exhaustive=exhaustive)
    kinds = find_clusters(good.vectors, min(clusters, len(good)), seed)
    return Collection(
        embeddings=good,
        distance=distance,
        duplicates=near_duplicates(good.vectors, distance, exhaustive=exhaustive),
        strangest=np.argsort(-strangeness, kind="stable")[:STRANGE],
        strangeness=strangeness,
        kinds=list(kinds.members),
        centres=kinds.centres,
        failed=failed,
        how=says_how(len(good), exhaustive),
    )


def _nearest_of_two(vectors: np.ndarray, values: np.ndarray) -> float:
    """The smallest distance of a row with the most frequent value to one with another; infinite where all have one."""
    names, codes = np.unique(values, return_inverse=True)
    if len(names) < 2:
        return float("inf")
    frequent = codes == np.bincount(codes).argmax()
    left, right = (vectors[chosen][:COMPARED].astype(np.float64) for chosen in (frequent, ~frequent))
    return float(min(np.linalg.norm(right - row, axis=1).min() for row in left))

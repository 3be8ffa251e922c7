"""First hits of queries, and of the same queries with their label unknown, from one search where that suffices."""

import numpy as np
import torch
from torch import Tensor

from omlzoo.checkpoints.calibration import Energy, energy
from omlzoo.errors import BadInput, notice
from omlzoo.evaluation.open_set import FirstHits
from omlzoo.metrics._large_labels import usual_rank
from omlzoo.metrics._selection import Selection, count_relevant
from omlzoo.ops.nearest import nearest

__all__ = ["HITS", "QueryHits"]

HITS = 10  # of each query, for probabilities and energy


class QueryHits:
    """First hits of known and of unknown queries.

    Args:
        vectors: (N, D) of all rows.
        chosen: Their queries, gallery and labels.

    Attributes:
        distances: (Q, 10) distances of the hits, infinite where there are fewer.
        labels_right: (Q, 10) bool, whether a hit has the label of the query.
        query_labels: (Q,) codes of the queries' labels.
        first: The distance of the first hits.
        energies: The energy of the hits.
        how: How that energy is computed.

    Raises:
        BadInput: No query has a relevant row, without its label nothing is left of the gallery, or distances are out of
            the range in which curves can be fitted.
    """

    def __init__(self, vectors: Tensor, chosen: Selection) -> None:
        positions = np.full(len(vectors), -1)
        positions[chosen.gallery] = np.arange(len(chosen.gallery))
        relevant = count_relevant(chosen, positions)
        labels = chosen.labels[chosen.queries], chosen.labels[chosen.gallery]
        scores, ids, strange = _searched(vectors, chosen, positions, relevant)
        right = (labels[1][ids] == labels[0][:, None]) & (ids >= 0)
        possible = relevant > 0
        distances = -scores[possible].astype(np.float64)
        others = -strange[possible].astype(np.float64)
        lost = int((~possible).sum())
        if lost and len(distances):
            notice(f"{lost} of {len(possible)} queries have no relevant picture in the gallery and calibrate nothing")
        if not len(distances):
            raise BadInput("no query has a relevant picture in the gallery; there is nothing to calibrate on")
        self.distances, self.labels_right, self.query_labels = distances, right[possible], labels[0][possible]
        self.first = FirstHits(distances[:, 0], right[possible, 0], others[:, 0])
        if not np.isfinite(self.first.unknown).all():
            raise BadInput("the gallery has one label for some queries; without it nothing is left to be taken for it")
        largest = float(others[np.isfinite(others)].max(initial=0))
        if not 1e-6 <= largest <= 1e6:  # beyond, the fits of curves fail
            raise BadInput(f"first hits are up to {largest:.3g} away; multiply all vectors so that it is 1e-6 to 1e6")
        self.how = Energy(max(1e-6 * largest, float(np.median(distances[:, 0])) / 4), HITS)
        self.energies = FirstHits(energy(distances, self.how), right[possible, 0], energy(others, self.how))


def _searched(
    vectors: Tensor, chosen: Selection, positions: np.ndarray, relevant: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (Q, HITS) and gallery positions of the hits, and the scores of the hits of other labels."""
    every = len(chosen.gallery) == len(chosen.queries) == len(vectors)  # then one memory, which halves the products
    queries = vectors if every else vectors[torch.from_numpy(chosen.queries)]
    gallery = vectors if every else vectors[torch.from_numpy(chosen.gallery)]
    own = torch.from_numpy(positions[chosen.queries])
    codes = torch.from_numpy(chosen.labels[chosen.queries]), torch.from_numpy(chosen.labels[chosen.gallery])
    if chosen.sequences is not None:  # rows of a query's sequence are no hits of it, but are of the query as unknown
        sequences = torch.from_numpy(chosen.sequences)
        bursts = sequences[torch.from_numpy(chosen.queries)], sequences[torch.from_numpy(chosen.gallery)]
        scores, ids = nearest(queries, gallery, HITS, similarity="euclidean", own=own, groups=bursts)
        strange = nearest(queries, gallery, HITS, similarity="euclidean", own=own, groups=codes)[0]
        return scores.numpy(), ids.numpy(), strange.numpy()
    usual = usual_rank(relevant, 0, len(gallery))
    scores, ids = nearest(queries, gallery, HITS + usual, similarity="euclidean", own=own)
    same = (codes[1][ids] == codes[0][:, None]) & (ids >= 0)
    others = same.sort(dim=1, stable=True)  # hits of other labels first, in their order
    strange = scores.gather(1, others.indices).masked_fill_(others.values, -torch.inf)[:, :HITS]
    if (rest := torch.from_numpy(relevant > usual)).any():
        strange[rest] = nearest(
            queries[rest], gallery, HITS, similarity="euclidean", own=own[rest], groups=(codes[0][rest], codes[1])
        )[0]
    return scores[:, :HITS].numpy(), ids[:, :HITS].numpy(), strange.numpy()

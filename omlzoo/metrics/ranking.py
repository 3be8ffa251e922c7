"""Retrieval metrics, streamed over blocks of queries.

For one query let R be the gallery in order of distance without the query itself and without rows of its sequence, n
the number of relevant rows (of its label) in R, and h the number among the first k' = min(k, number of rows of R):

    cmc@k         1 if h > 0, else 0
    precision@k   h / min(n, k'), as Open Metric Learning has it
    hits@k        h / k, the usual precision at k
    map@k         mean of precision at the rank of each relevant row among the first k, precision at i being hits / i;
                  0 if h = 0. (Divided by h, not by n: so does Open Metric Learning.)
    ap            mean of precision at the rank of every relevant row in the whole of R (scikit-learn's; its mean over
                  queries is re-identification's mAP)
    inp           precision at the rank of the last relevant row (arXiv 2001.04193)
    r_precision   hits among the first n, divided by n
    ndcg@k        sum over relevant rows at ranks i <= k' of 1 / log2(1 + i), divided by what the best order would give
    map@r         sum over relevant rows at ranks i <= n of hits / i, divided by n (arXiv 2003.08505)

Each is averaged over the queries with n > 0; the others are counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.metrics._average_precision import average_precision
from omlzoo.metrics._large_labels import at_relevant, usual_rank
from omlzoo.metrics._per_query import RetrievalPerQuery, averages
from omlzoo.metrics._selection import NOBODY, Flags, Ids, Selection, count_relevant, select
from omlzoo.ops.directions import directions
from omlzoo.ops.nearest import nearest_blocks
from omlzoo.ops.rows import Rows, as_rows
from omlzoo.ops.similarity import Similarity

__all__ = ["RetrievalPerQuery", "averages", "metrics_of_hits", "ranking_of", "retrieval", "retrieval_per_query"]


def retrieval(
    embeddings: Rows,
    labels: Ids,
    *,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    categories: Ids = None,
    cameras: Ids = None,
    cmc: Sequence[int] = (1,),
    precision: Sequence[int] = (5,),
    map: Sequence[int] = (5,),
    hits: Sequence[int] = (),
    ndcg: Sequence[int] = (),
    full_list: bool = False,
    per_label: bool = False,
) -> dict[str, Any]:
    """Retrieval metrics by Euclidean distance (for unit vectors the same order as cosine).

    Args:
        embeddings: (N, D).
        labels: (N,) ids: text, or numbers, which are one label where they are equal in Python.
        is_query: (N,) bool; all rows by default.
        is_gallery: (N,) bool; all rows by default. A row that is both is searched in the gallery without itself.
        sequences: (N,) ids of bursts or tracks; a gallery row of the query's sequence is ignored. None or NaN: none.
        categories: (N,) ids; adds "per_category", the metrics of the queries of each.
        cameras: (N,) ids; of the query's label only gallery rows of other cameras count, as in re-identification.
        cmc: Ranks k of cmc@k.
        precision: Ranks k of precision@k.
        map: Ranks k of map@k.
        hits: Ranks k of hits@k.
        ndcg: Ranks k of ndcg@k.
        full_list: Add "ap" and "inp", over the whole gallery; rows at equal distances share a rank.
        per_label: Add "per_label", the metrics of each label's queries.

    Returns:
        Fractions in [0, 1]: "cmc@1", "precision@5", "map@5", "map@r", "r_precision"; NaN where no query has a relevant
        row. Counts: "queries", "queries_without_relevant". The module's text has the definitions.

    Raises:
        BadInput: Shapes differ, an embedding is not finite or holds a number above 1e15, a label is missing, text and
            numbers are mixed, or there is no query or no gallery row.
    """
    per_query = retrieval_per_query(
        embeddings, labels, is_query=is_query, is_gallery=is_gallery, sequences=sequences, cameras=cameras,
        cmc=cmc, precision=precision, map=map, hits=hits, ndcg=ndcg, full_list=full_list,
    )  # fmt: skip
    groups = {"per_category": categories, "per_label": labels if per_label else None}
    return averages(per_query, **{name: ids for name, ids in groups.items() if ids is not None})


def retrieval_per_query(
    embeddings: Rows,
    labels: Ids,
    *,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    cameras: Ids = None,
    cmc: Sequence[int] = (1,),
    precision: Sequence[int] = (5,),
    map: Sequence[int] = (5,),
    hits: Sequence[int] = (),
    ndcg: Sequence[int] = (),
    full_list: bool = False,
    similarity: Similarity = "euclidean",
) -> RetrievalPerQuery:
    """The values of each query before :func:`retrieval` averages them; the arguments are the same.

    Args:
        embeddings: (N, D).
        labels: (N,) ids of any kind.
        is_query: (N,) bool; all rows by default.
        is_gallery: (N,) bool; all rows by default.
        sequences: (N,) ids of bursts or tracks.
        cameras: (N,) ids of cameras.
        cmc: Ranks k of cmc@k.
        precision: Ranks k of precision@k.
        map: Ranks k of map@k.
        hits: Ranks k of hits@k.
        ndcg: Ranks k of ndcg@k.
        full_list: Add "ap" and "inp".
        similarity: What orders the gallery: "euclidean" distance, or "cosine".

    Raises:
        BadInput: As in :func:`retrieval`.
    """
    vectors = as_rows(embeddings, "embeddings")
    selection = select(len(vectors), labels, is_query, is_gallery, sequences, cameras)
    ranks = {"cmc": cmc, "precision": precision, "map": map, "hits": hits, "ndcg": ndcg}
    return ranking_of(vectors, selection, ranks, full_list=full_list, similarity=similarity)


def ranking_of(
    vectors: Tensor,
    selection: Selection,
    ranks: Mapping[str, Sequence[int]],
    *,
    full_list: bool = False,
    similarity: Similarity = "euclidean",
) -> RetrievalPerQuery:
    """As :func:`retrieval_per_query`, of rows whose queries, gallery and labels were checked already.

    Args:
        vectors: (N, D).
        selection: Queries, gallery, labels and sequences of these N rows.
        ranks: Ranks k of "cmc", "precision", "map", "hits" and "ndcg".
        full_list: Add "ap" and "inp".
        similarity: "euclidean", or "cosine".

    Raises:
        BadInput: A rank is below 1, or a vector is not finite.
    """
    if similarity == "cosine":
        vectors = torch.from_numpy(directions(vectors.cpu().numpy(), unless=1e-5)).to(vectors.device)
    for name, metric_ranks in ranks.items():
        if any(k < 1 for k in metric_ranks):
            raise BadInput(f"{name} is {tuple(metric_ranks)}; ranks start at 1")
    positions = np.full(len(vectors), NOBODY)
    positions[selection.gallery] = np.arange(len(selection.gallery))
    relevant = count_relevant(selection, positions)
    without = selection.queries[relevant == 0]
    possible, relevant = replace(selection, queries=selection.queries[relevant > 0]), relevant[relevant > 0]
    shown = max([1, *(k for metric_ranks in ranks.values() for k in metric_ranks)])
    usual = usual_rank(relevant, shown, len(selection.gallery))
    blocks = list(_search(vectors, possible, positions, relevant, ranks, (shown, usual), similarity))
    width = min(shown, len(selection.gallery))
    ids = torch.cat([torch.empty(0, width, dtype=torch.int64), *(ids for _, ids, _ in blocks)]).numpy()
    scores = torch.cat([torch.empty(0, width), *(scores for _, _, scores in blocks)])
    names = metrics_of_hits(torch.zeros(0, 1, dtype=torch.bool), torch.ones(0), torch.ones(0), ranks)
    values = {name: np.concatenate([np.empty(0), *(block[name].numpy() for block, _, _ in blocks)]) for name in names}
    large = relevant > usual
    values["map@r"][large], values["r_precision"][large] = at_relevant(
        vectors, replace(possible, queries=possible.queries[large]), positions, relevant[large], similarity
    )
    if full_list:
        values["ap"], values["inp"] = average_precision(vectors.cpu(), selection, possible.queries)
    first = np.where(ids == NOBODY, NOBODY, selection.gallery[ids])
    return RetrievalPerQuery(possible.queries, values, first, scores.numpy(), without)


def _search(
    vectors: Tensor,
    selection: Selection,
    places: np.ndarray,
    relevant: np.ndarray,
    ranks: Mapping[str, Sequence[int]],
    neighbours: tuple[int, int],
    similarity: Similarity,
) -> Iterator[tuple[dict[str, Tensor], Tensor, Tensor]]:
    """Metrics of each block of queries, and the gallery positions and scores of the first hits.

    Args:
        vectors: (N, D).
        selection: Its queries have relevant rows.
        places: (N,) position of each row in the gallery, or NOBODY.
        relevant: (Q,) how many relevant rows a query has.
        ranks: Ranks k of each metric.
        neighbours: Number of hits that are returned, and of those that are found.
        similarity: What orders the gallery.
    """

    def at_vectors(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(vectors.device)

    queries, gallery, sequence = selection.queries, selection.gallery, selection.sequences
    groups = None if sequence is None else (at_vectors(sequence[queries]), at_vectors(sequence[gallery]))
    codes, query_codes = torch.from_numpy(selection.labels[gallery]), torch.from_numpy(selection.labels[queries])
    sides, own = (_pick(vectors, queries), _pick(vectors, gallery)), at_vectors(places[queries])
    for rows, scores, ids in nearest_blocks(*sides, neighbours[1], similarity=similarity, own=own, groups=groups):
        scores, ids = scores.cpu(), ids.cpu()
        present = ids != NOBODY
        hit = (codes[ids] == query_codes[rows][:, None]) & present
        values = metrics_of_hits(hit, torch.from_numpy(relevant[rows]), present.sum(dim=1), ranks)
        yield values, ids[:, : neighbours[0]], scores[:, : neighbours[0]]


def metrics_of_hits(
    hit: Tensor, relevant: Tensor, present: Tensor, ranks: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """The values (Q,) float64 of each metric, from the hits of a search.

    Args:
        hit: (Q, K) bool, whether the row at each rank is relevant; K is at least each k in ``ranks`` and, for MAP@R and
            R-precision, the number in ``relevant``, or the size of the whole list.
        relevant: (Q,) number of relevant gallery rows, above 0.
        present: (Q,) number of rows in the list, at most K.
        ranks: Ranks k of "cmc", "precision", "map", "hits" and "ndcg".
    """
    positions = torch.arange(1, hit.shape[1] + 1, dtype=torch.float64)
    hits = hit.cumsum(dim=1).double()  # (Q, K), among the first i
    sums = (hits / positions * hit).cumsum(dim=1)  # of the precisions at relevant ranks

    def at(values: Tensor, k: Tensor | int) -> Tensor:
        index = torch.as_tensor(k).clamp(max=hit.shape[1]).expand(len(hit)) - 1
        return values.gather(1, index.long()[:, None]).flatten()

    result: dict[str, Tensor] = {f"cmc@{k}": (at(hits, k) > 0).double() for k in ranks["cmc"]}
    for k in ranks["precision"]:
        result[f"precision@{k}"] = at(hits, k) / torch.minimum(relevant, present.clamp(max=k)).clamp(min=1)
    for k in ranks["map"]:
        result[f"map@{k}"] = at(sums, k) / at(hits, k).clamp(min=1)
    for k in ranks["hits"]:
        result[f"hits@{k}"] = at(hits, k) / k
    gains = 1 / torch.log2(1 + positions)
    for k in ranks["ndcg"]:
        best = torch.cat([gains.new_zeros(1), gains.cumsum(dim=0)])[relevant.clamp(max=min(k, hit.shape[1])).long()]
        result[f"ndcg@{k}"] = at((hit * gains).cumsum(dim=1), k) / best
    result["map@r"] = at(sums, relevant) / relevant
    result["r_precision"] = at(hits, relevant) / relevant
    return result


def _pick(vectors: Tensor, rows: np.ndarray) -> Tensor:
    """Those rows; no copy where they are all."""
    return vectors if len(rows) == len(vectors) else vectors[torch.from_numpy(rows).to(vectors.device)]

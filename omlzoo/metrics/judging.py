"""Retrieval metrics where pairs of a query and a row have a grade, or are junk, in place of equal labels.

Ranks and metrics are those of :mod:`omlzoo.metrics.ranking`; relevant are the rows whose grade is at least a limit.
Rows without a grade are wrong. Junk is left out of the ranking, as in the protocols of revisited Oxford and Paris
(arXiv 1803.11285). Of rows at equal distances the one that comes first in the gallery is ranked first. Besides:

    ndcg@k        sum of grade / log2(1 + rank) over the first k, divided by what the best order would give; grades
                  below the limit count 0
    ap_trapezoid  area under precision over recall by the trapezoidal rule, which the Oxford and Paris benchmarks use
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.metrics._judged_ranks import Protocol, judged_rankings
from omlzoo.metrics._named_pairs import check_pairs, listed_judgements
from omlzoo.metrics._per_query import averages
from omlzoo.metrics._selection import Flags, Ids, select
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["judged_retrieval"]


def judged_retrieval(
    embeddings: Rows,
    queries: Sequence[int] | np.ndarray,
    items: Sequence[int] | np.ndarray,
    grades: Sequence[float] | np.ndarray,
    *,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    least: float | None = None,
    cmc: Sequence[int] = (1,),
    precision: Sequence[int] = (5,),
    map: Sequence[int] = (5,),
    hits: Sequence[int] = (),
    ndcg: Sequence[int] = (10,),
) -> dict[str, Any]:
    """Retrieval metrics by named pairs.

    Args:
        embeddings: (N, D).
        queries: (P,) row number of the query of each pair.
        items: (P,) row number of the gallery row that it names.
        grades: (P,) from 0, wrong, upwards; NaN is junk, which is neither right nor wrong and is left out.
        is_query: (N,) bool; all rows by default. A query without a right row is counted and not averaged in.
        is_gallery: (N,) bool; all rows by default.
        sequences: (N,) ids of bursts; gallery rows of the query's are left out.
        least: The smallest grade that is right, above 0; every grade above 0 by default.
        cmc: Ranks k of cmc@k.
        precision: Ranks k of precision@k.
        map: Ranks k of map@k.
        hits: Ranks k of hits@k.
        ndcg: Ranks k of ndcg@k.

    Returns:
        As :func:`omlzoo.metrics.retrieval`, with "ap", "inp" and "ap_trapezoid".

    Raises:
        BadInput: Shapes differ, a row is no query or not in the gallery, a pair is named twice, or a grade is below 0.
    """
    vectors = as_rows(embeddings, "embeddings")
    selection = select(len(vectors), np.arange(len(vectors)), is_query, is_gallery, sequences)
    ranks = {"cmc": cmc, "precision": precision, "map": map, "hits": hits, "ndcg": ndcg}
    if wrong := [k for each in ranks.values() for k in each if k < 1]:
        raise BadInput(f"a rank is {wrong[0]}; ranks start at 1")
    if least is not None and not least > 0:
        raise BadInput(f"least is {least}; it is a grade, above 0")
    judgements = listed_judgements(selection, *check_pairs(selection, queries, items, grades))
    protocol = Protocol(0.0 if least is None else least, graded=True)
    return averages(judged_rankings(vectors, selection, judgements, {"": protocol}, ranks)[""])

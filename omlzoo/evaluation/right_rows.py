"""What is right for a query: rows of its label, or those that a rule names; and the metrics by it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch

from omlzoo.errors import notice
from omlzoo.evaluation.label_rules import LabelTree, SharedLabels
from omlzoo.evaluation.relevance import Pairs
from omlzoo.metrics._judged_ranks import judged_rankings
from omlzoo.metrics._levels import precisions
from omlzoo.metrics._selection import Selection
from omlzoo.metrics.ranking import RetrievalPerQuery, averages, ranking_of

__all__ = ["Rule", "measured", "own_ranking", "said_by_rule"]

Rule: TypeAlias = Pairs | SharedLabels | LabelTree | None
LABELS = ""  # the name of the one protocol of labels


def measured(
    vectors: np.ndarray,
    frame: pd.DataFrame,
    selection: Selection,
    ranks: Mapping[str, Sequence[int]],
    rule: Rule,
    *,
    full_list: bool = False,
) -> dict[str, RetrievalPerQuery]:
    """The values of each query by what counts as right; the first is that of the report's own numbers.

    Args:
        vectors: (N, D).
        frame: Their rows.
        selection: Their queries, gallery and labels.
        ranks: Ranks k of each metric.
        rule: What is right in place of equal labels.
        full_list: Add "ap" and "inp", which a rule has in any case.
    """
    rows = torch.from_numpy(vectors)
    if rule is None or isinstance(rule, LabelTree):
        found = ranking_of(rows, selection, ranks, full_list=full_list)
        if rule is not None:
            near = precisions(found.first, found.queries, rule.codes(frame), selection, ranks["precision"])
            found = replace(found, values={**found.values, **near})
        return {LABELS: found}
    return judged_rankings(rows, selection, rule.judgements(frame, selection), rule.protocols, ranks)


def own_ranking(rankings: Mapping[str, RetrievalPerQuery]) -> RetrievalPerQuery:
    """The first of them."""
    return next(iter(rankings.values()))


def said_by_rule(rule: Rule, rankings: Mapping[str, RetrievalPerQuery], frame: pd.DataFrame) -> dict[str, Any]:
    """The metrics by what counts as right, where pairs have several; what they name and cannot be measured is said.

    Args:
        rule: What is right in place of equal labels.
        rankings: Values of each query, by what counts as right.
        frame: The rows that could be read.
    """
    if not isinstance(rule, Pairs):
        return {}
    if lost := rule.lost(frame):
        notice(f"{rule.name}: {lost} of {len(rule.grades)} pairs are of unreadable pictures and are left out")
    return {"per_relevance": {name: averages(ranking) for name, ranking in rankings.items()}}

"""One label never becomes two, nor two one, in any room that compares labels."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_rows import random_embeddings

from omlzoo import metrics
from omlzoo.curation import Balance
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.losses import ArcFaceLoss
from omlzoo.ops.codes import label_codes, label_texts
from omlzoo.samplers import Balanced
from omlzoo.samplers._label_sampler import LabelGroups

TWO = {
    "blank": ("a", "a "), "zero byte": ("a", "a\0"), "case": ("a", "A"), "leading zero": ("7", "07"), "fraction": ("3", "3.0"), "big": (2**53, 2**53 + 1),
    "bigger": (10**30, 10**30 + 1), "decimal": (Decimal("0.1"), Decimal("0.10000000000000000001")), "days": (dt.date(2024, 1, 2), dt.date(2024, 1, 3)),
    "composed": ("\u00e9", "e\u0301"), "no-break": ("a b", "a\u00a0b"), "truth": (True, False), "near": (0.1, 0.1 + 1e-16),
}  # fmt: skip
ONE = {
    "whole": (1, 1.0),
    "numpy": (np.int64(3), 3),
    "decimal": (Decimal("1.50"), Decimal("1.5")),
    "text": (np.str_("a"), "a"),
}
VECTORS = np.eye(4, dtype=np.float32)


def relevant(labels: list[Any]) -> int:
    """Queries of a measurement with another row of their label."""
    return 4 - int(metrics.retrieval(VECTORS, labels)["queries_without_relevant"])


@pytest.mark.parametrize("name", TWO)
def test_two_labels_stay_two(name: str) -> None:
    first, second = TWO[name]
    labels = [first, second, first, second]
    assert label_codes(labels, "labels")[0].tolist() == [0, 1, 0, 1]
    assert relevant([first, second] * 2) == 4
    assert relevant([first, second, first, first]) == 3
    (batch, *_) = list(Balanced(labels, n_labels=2, n_instances=2))
    assert sorted(batch) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ONE)
def test_one_label_stays_one(name: str) -> None:
    first, second = ONE[name]
    assert label_codes([first, second], "labels")[0].tolist() == [0, 0]
    assert relevant([first, second, first, second]) == 4
    with pytest.raises(BadInput):
        Balanced([first, second], n_labels=2, n_instances=1)


@pytest.mark.parametrize(
    "labels", [[1, "1", 1, "1"], [True, 1, True, 1], ["a", None, "a", "b"], [b"a", "a", b"a", "a"]]
)
def test_what_a_report_could_not_tell_apart_is_refused(labels: list[Any]) -> None:
    for act in (
        lambda: metrics.retrieval(VECTORS, labels),
        lambda: metrics.opis(VECTORS, labels),
        lambda: Balanced(labels, 2, 2),
    ):
        with pytest.raises(BadInput, match="^labels"):
            act()


@pytest.mark.parametrize("labels", [[0.0, 0.5], [True, False], [0, 2], [-1, 0], [float("nan"), 0]])
def test_a_loss_with_a_table_of_labels_takes_its_codes_only(labels: list[Any]) -> None:
    with pytest.raises(BadInput):
        ArcFaceLoss(dim=4, n_labels=2)(torch.ones(2, 4), torch.tensor(labels))


ROOMS: dict[str, Callable[[Embeddings], int]] = {
    "texts": lambda given: len(set(label_texts(given.table["label"], "labels"))),
    "certain": lambda given: 2 - ("certain" in _kinds(given)),  # with one label no query can fail
    "report": lambda given: len(set(evaluate_embeddings(given, "t").labels_of_queries())),  # type: ignore[arg-type]
    "select": lambda given: len(_begun(Balance(list(given.table["label"]), 4), given)),
    "distinct": lambda given: len(LabelGroups(list(given.table["label"]), 2).names),
}


def _kinds(given: Embeddings) -> list[str]:
    return [finding.kind for finding in evaluate_embeddings(given, "t").findings]


def _begun(balance: Balance, given: Embeddings) -> list[Any]:
    balance.begin(given.vectors)
    return balance.names


def _given(labels: list[Any]) -> Embeddings:
    rows = random_embeddings(len(labels))
    labels_column = pd.Series(labels, dtype=object)
    return replace(rows, table=rows.table.assign(label=labels_column, is_query=True, is_gallery=True))


@pytest.mark.filterwarnings("ignore:8 of 8 queries cannot fail")
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("pair", "count"), [*((pair, 2) for pair in TWO.values()), *((pair, 1) for pair in ONE.values())]
)
def test_every_room_has_as_many_labels(room: str, pair: tuple[Any, Any], count: int) -> None:
    """Eight rows of two labels in turn, or of one."""
    assert ROOMS[room](_given([*pair] * 4)) == count


@pytest.mark.filterwarnings("ignore:1 of 8 queries have no relevant picture")
@pytest.mark.parametrize("name", TWO)
def test_findings_tell_labels_apart(name: str) -> None:
    """The last row is the only one of its label, and so cannot be found."""
    first, second = TWO[name]
    found = evaluate_embeddings(_given([first] * 7 + [second]), "t", thorough=True).findings
    (impossible,) = [finding for finding in found if finding.kind == "impossible"]
    assert (impossible.count, impossible.rows[0]["label"]) == (1, str(second))


def test_numbers_that_are_written_alike_keep_two_texts() -> None:
    texts = label_texts([np.float32(0.1), 0.1, None, np.nan], "labels")
    assert len(set(texts)) == 3
    assert texts[2] == texts[3] == ""

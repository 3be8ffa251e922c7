"""One label never becomes two, nor two one, in any room that compares labels."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch

from omlzoo import metrics
from omlzoo.errors import BadInput
from omlzoo.losses import ArcFaceLoss
from omlzoo.ops.codes import label_codes
from omlzoo.samplers import Balanced

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

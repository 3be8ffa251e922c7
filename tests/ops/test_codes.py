"""Two labels are one where Python says so, and never because an array makes one kind of them."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.codes import label_codes


@pytest.mark.parametrize("labels", [
    [3, 1, 3], ["a", "b", "a"], ("a", "b", "a"), np.array([3, 1, 3]), np.array(["a", "b", "a"]), np.array([0.5, 1, 0.5]),
    torch.tensor([3, 1, 3]), torch.tensor([0.5, 1, 0.5]).bfloat16(), [torch.tensor(3), torch.tensor(1), torch.tensor(3)],
    pd.Series(["a", "b", "a"]), pd.Series(["a", "b", "a"], index=[5, 5, 9]), pd.Series([3, 1, 3], dtype="Int64"),
    pd.Categorical(["a", "b", "a"]), [0.5, 2**53, 0.5], [2**53, 2**53 + 1, 2**53], [0.5, 2**53 + 1, 0.5], ["a", "a\0", "a"],
    [True, False, True], [1, 2.5, 1.0], [10**30, 10**30 + 1, 10**30], [("a", 1), ("a", "1"), ("a", 1)], [b"a", b"b", b"a"],
    [np.str_("a"), "b", "a"], [np.int64(3), 1, 3.0], [Decimal("0.1"), 0.1, Decimal("0.1")], range(3, 0, -1),
    pd.Series(["x", "y", "x"], dtype=object), ["", "b", ""], ["nan", "b", "nan"], ["\ud800", "b", "\ud800"],
], ids=range(30))  # fmt: skip
def test_equal_labels_have_one_code(labels: Any) -> None:
    codes, names = label_codes(labels, "labels")
    listed = list(labels)
    assert codes.dtype == np.int64
    for i in range(3):
        assert names[codes[i]] == listed[i]
        for j in range(3):
            assert (codes[i] == codes[j]) == bool(listed[i] == listed[j])


@pytest.mark.parametrize(("labels", "message"), [
    ([1, "1"], r"labels mix kinds: 1 \(int\) and '1' \(str\)"), ([True, 1], r"True \(bool\) and 1 \(int\)"), (["a", b"a"], "mix kinds"),
    (np.array([1, "1"], object), "mix kinds"), (pd.Series([1, "1"]), "mix kinds"), ([("a",), "a"], "mix kinds"),
    ([1.0, float("nan"), None], "labels: 2 are missing, in row 1, 2; give each row an id"), (["a", None], "1 are missing, in row 1"),
    (np.array([0.5, np.nan]), "in row 1"), (torch.tensor([torch.nan]), "in row 0"), ([None] * 9, r"in row 0, 1, 2, 3, 4, \.\.\."),
    (pd.Series([1, None], dtype="Int64"), "in row 1"), ([pd.NaT], "in row 0"),
    ([[1], [2]], "no dict could have as a key"), (np.zeros((2, 1)), r"shape \(2, 1\)"), ("ab", "labels are str"), ({0: 1}, "labels are dict"),
    (5, "labels are int"), ({"a", "b"}, "labels are set"), (iter("ab"), "labels are str_"),
], ids=range(20))  # fmt: skip
def test_what_would_be_merged_or_missing_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        label_codes(labels, "labels")


def test_missing_ones_may_be_allowed_and_the_number_is_checked() -> None:
    assert label_codes(["b", None, "", "b", float("nan")], "sequences", missing=True)[0].tolist() == [0, -1, -1, 0, -1]
    with pytest.raises(BadInput, match=r"labels have the shape \(2,\); it must be \(3,\), one for each embedding"):
        label_codes([1, 2], "labels", count=3)
    assert label_codes([], "labels")[0].tolist() == []

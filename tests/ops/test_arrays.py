"""Arrays are refused as tensors are, in the same words; `test_rows` has the cases that both refuse."""

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.arrays import as_array, check_array
from omlzoo.ops.rows import check_rows

WRONG = {"nan": float("nan"), "infinity": float("-inf"), "large": 3e15}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_wrong_numbers_are_refused_as_those_of_tensors(value: float) -> None:
    rows = np.ones((4, 3), np.float32)
    rows[2, 1] = value
    with pytest.raises(BadInput) as ours:
        check_array("vectors", rows)
    with pytest.raises(BadInput) as theirs:
        check_rows("vectors", torch.from_numpy(rows))
    assert str(ours.value) == str(theirs.value)
    assert "row 2" in str(ours.value)


def test_right_numbers_pass_and_so_does_nothing() -> None:
    check_array("vectors", np.array([[1e15, -1e15]], np.float32))
    check_array("vectors", np.empty((0, 3), np.float32))


def test_kinds_become_float32_or_float64() -> None:
    assert as_array([[1, 2]], "x").dtype == np.float64
    assert as_array(np.array([[1, 2]], np.int16), "x").dtype == np.float32
    assert as_array(np.array([[1, 2]], ">f4"), "x").dtype == np.dtype("<f4")
    for wrong in ([[1, 2], [3]], [["a"]], np.array([[1j]])):
        with pytest.raises(BadInput, match="^x are "):
            as_array(wrong, "x")

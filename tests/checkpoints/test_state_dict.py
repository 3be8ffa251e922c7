"""Weights that do not fit are counted among all tensors of both sides."""

import pytest
import torch

from omlzoo.checkpoints.state_dict import compare_shapes
from omlzoo.errors import WeightsMismatch


def test_what_differs_is_counted_among_the_tensors_of_both() -> None:
    ours = {"a": torch.zeros(2), "b": torch.zeros(3)}
    theirs = {"b": torch.zeros(3), "c": torch.zeros(1), "d": torch.zeros(1)}
    with pytest.raises(WeightsMismatch, match="3 of 4 tensors differ: a is missing; c is not part of it; d is not"):
        compare_shapes(ours, theirs, "theirs", "toy")

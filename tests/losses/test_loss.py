"""What every loss gets from its base: counts, lazy numbers, float32, a zero that is safe in half precision."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.pairs import Pairs


class Picky(Loss):
    """Empty for batches of one label; else the mean, of which it remembers the type."""

    def compute(self, pairs: Pairs) -> Tensor | None:
        if not pairs.negative.any():
            return None
        self.note(mean=pairs.rows.mean(), bits=float(torch.finfo(pairs.rows.dtype).bits))
        return pairs.rows.mean()


def test_empty_batches_are_counted_and_give_a_zero_with_a_gradient() -> None:
    loss = Picky()
    rows = torch.full((3, 4), 6e4, dtype=torch.float16, requires_grad=True)  # their sum would be infinite
    value = loss(rows, torch.zeros(3))
    value.backward()
    assert value.item() == 0
    assert (rows.grad == 0).all()
    assert loss.stats == {"empty_batches": 1.0}
    loss(rows, torch.arange(3))
    assert loss.stats["empty_batches"] == 1
    assert loss.stats["mean"] == pytest.approx(6e4, rel=1e-3)


@pytest.mark.parametrize(("kind", "bits"), [(torch.float16, 32), (torch.bfloat16, 32), (torch.float64, 64)])
def test_half_precision_is_computed_in_float32(kind: torch.dtype, bits: int) -> None:
    loss = Picky()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(torch.ones(2, 3, dtype=kind), torch.arange(2))
    assert loss.stats["bits"] == bits


def test_numbers_keep_no_graph() -> None:
    loss = Picky()
    loss(torch.ones(2, 3, requires_grad=True), torch.arange(2))
    assert not any(isinstance(value, Tensor) and value.requires_grad for value in loss._last.values())


def test_positive_numbers() -> None:
    assert positive_number("x", 0.1) == 0.1
    for value in (0, -1, float("nan")):
        with pytest.raises(BadInput, match="x is .*; it must be above 0"):
            positive_number("x", value)


@pytest.mark.parametrize("shelf", ["losses", "miners"])
@pytest.mark.parametrize(("rows", "labels"), [
    (torch.ones(3, 4), [0, 0, 1]), (torch.ones(3, 4), np.array([0, 0, 1])), (torch.ones(3, 4), ["a", "a", "b"]), (torch.ones(3, 4), None),
    (np.ones((3, 4), np.float32), torch.tensor([0, 0, 1])), (np.ones((3, 4)), np.array([0, 0, 1])), ([[1.0] * 4] * 3, [0, 0, 1]),
], ids=range(7))  # fmt: skip
def test_arrays_and_lists_are_refused_in_one_line(shelf: str, rows: Any, labels: Any) -> None:
    others = {
        "CrossBatch",
        "MatryoshkaLoss",
        "WeightedSum",
        "SimilarityDistillation",
        "CLIPLoss",
        "SigLIPLoss",
        "GivenTriplets",
        "StackedTriplets",
    }
    for name in set(catalog.names(shelf)) - others:
        kind = catalog.find(shelf, name)
        needs = {"dim": 4, "n_labels": 2}
        made = kind(**{key: needs[key] for key in needs if key in inspect.signature(kind).parameters})
        with pytest.raises(BadInput, match="^embeddings and their labels are .*; they must be tensors"):
            made(rows, labels)

"""A bad batch is refused by name."""

from typing import Any

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.pairs import check_batch, check_codes, pair_up


def test_shapes_and_numbers() -> None:
    check_batch(torch.ones(3, 2), torch.zeros(3, dtype=torch.long))
    with pytest.raises(BadInput, match=r"have the shapes \(3, 2\) and \(2,\); they must be"):
        check_batch(torch.ones(3, 2), torch.zeros(2))
    with pytest.raises(BadInput, match="2 of 3 rows hold NaN or infinity"):
        check_batch(torch.tensor([[1.0], [torch.nan], [torch.inf]]), torch.zeros(3))


@pytest.mark.parametrize(("embeddings", "labels", "message"), [
    (torch.ones(2, 1), [0, 1], "are torch.float32 and list; they must be tensors"), (torch.ones(2, 1).int(), torch.ones(2), "are torch.int32"),
    (torch.ones(2, 1) * 1j, torch.ones(2), "complex64"), (torch.ones(2, 1), torch.ones(2) * 1j, "complex64"),
    (torch.ones(2, 1), torch.tensor([0, torch.nan]), "the labels of embeddings: 1 are NaN"),
    (torch.tensor([[0.0], [1e25]]), torch.ones(2), r"row 1 holds a number of 1e\+25"),
])  # fmt: skip
def test_kinds_and_sizes_that_would_give_nonsense_are_refused(
    embeddings: torch.Tensor, labels: Any, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        check_batch(embeddings, labels)


@pytest.mark.parametrize(("labels", "message"), [
    (torch.tensor([0.5, 1.5]), "labels hold 0.5, which is no whole number"), (torch.tensor([0, torch.inf]), "labels hold inf"),
    (torch.tensor([True, False]), "labels are bool"), (torch.tensor([0, -1]), "between -1 and 0; this loss has 3"),
    (torch.tensor([0, 3]), "between 0 and 3; this loss has 3"), (torch.tensor([0.0, 3e9]), "between 0 and 3000000000"),
])  # fmt: skip
def test_codes_are_never_cut(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check_codes(labels, 3)
    assert check_codes(torch.tensor([0.0, 2.0]), 3).tolist() == [0, 2], "whole numbers may be float"


def test_a_sum_that_overflows_is_no_fault() -> None:
    check_batch(torch.full((4, 2), 6e4, dtype=torch.half), torch.zeros(4, dtype=torch.long))


@pytest.mark.parametrize("unit", ["distance", "cosine"])
def test_the_summary_of_pairs_equals_the_loop(unit: str) -> None:
    labels, values = torch.tensor([0, 0, 1, 1, 1]), torch.rand(5, 5)
    near = [float(values[i, j]) for i in range(5) for j in range(5) if i != j and labels[i] == labels[j]]
    far = [float(values[i, j]) for i in range(5) for j in range(5) if labels[i] != labels[j]]
    found = {name: float(value) for name, value in pair_up(torch.ones(5, 2), labels).summary(values, unit).items()}
    hard = (max, min) if unit == "distance" else (min, max)
    assert found == {
        f"positive_{unit}": pytest.approx(sum(near) / len(near)), f"hardest_positive_{unit}": pytest.approx(hard[0](near)),
        f"negative_{unit}": pytest.approx(sum(far) / len(far)), f"hardest_negative_{unit}": pytest.approx(hard[1](far)),
    }  # fmt: skip
    alone = pair_up(torch.ones(2, 2), torch.tensor([0, 1])).summary(torch.zeros(2, 2), unit)
    assert alone[f"positive_{unit}"].isnan()
    assert alone[f"hardest_positive_{unit}"].isnan()
    assert pair_up(torch.ones(2, 2), torch.tensor([0, 0])).summary(torch.zeros(2, 2), unit)[f"negative_{unit}"].isnan()

"""Rows of numbers of every kind that is right, and a refusal by name of every other."""

from typing import Any

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.rows import LARGEST, as_numbers, as_rows, conditioned

GIVEN = [[1.0, 2.0], [3.0, -4.0]]


@pytest.mark.parametrize("values", [
    GIVEN, tuple(map(tuple, GIVEN)), [np.array(row) for row in GIVEN], [torch.tensor(row) for row in GIVEN],
    np.array(GIVEN), np.array(GIVEN, np.float16), np.array(GIVEN, np.int8), np.array(GIVEN, ">f4"),
    np.array(GIVEN, np.float32)[::-1][::-1], np.array(GIVEN, np.longdouble),
    torch.tensor(GIVEN), torch.tensor(GIVEN).bfloat16(), torch.tensor(GIVEN).half(), torch.tensor(GIVEN).int(),
    torch.tensor(GIVEN, requires_grad=True), torch.tensor(GIVEN).T.contiguous().T,
], ids=range(16))  # fmt: skip
def test_real_numbers_of_every_kind(values: Any) -> None:
    found = as_rows(values, "vectors")
    assert found.dtype in (torch.float32, torch.float64)
    assert not found.requires_grad
    assert found.tolist() == GIVEN


@pytest.mark.parametrize(("values", "message"), [
    (np.array(GIVEN) * 1j, "of the kind complex128"), (torch.tensor(GIVEN) * 1j, "complex64"),
    (torch.tensor(GIVEN).to_sparse(), "sparse_coo"),
    (torch.empty(2, 2, device="meta"), "on meta"), (torch.tensor(GIVEN) > 0, "bool"), (np.array(GIVEN) > 0, "bool"),
    (np.array(GIVEN, object), "of the kind object"), ([["1", "2"]], "of the kind <U1"), ([[10**30, 1]], "kind object"),
    ([[None, 1.0]], "kind object"), ([[1.0], [1.0, 2.0]], "no rows of numbers of equal length"),
    ([1.0, 2.0], r"the shape \(2,\); it must be \(rows, dim\)"), (np.zeros((2, 2, 2)), "the shape"), (None, "object"),
    (np.array([["2020-01-01"]], "M8[D]"), "kind datetime64"),
], ids=range(15))  # fmt: skip
def test_what_is_no_row_of_numbers_is_refused_by_name(values: Any, message: str) -> None:
    with pytest.raises(BadInput, match=f"^vectors .*{message}"):
        as_rows(values, "vectors")


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, that it will drop them
def test_quantised_tensors_are_refused() -> None:
    given = torch.quantize_per_tensor(torch.tensor(GIVEN), 0.1, 0, torch.qint8)
    with pytest.raises(BadInput, match="vectors are a tensor that is quantised"):
        as_rows(given, "vectors")


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_rows_that_are_not_finite_are_named(value: float, kind: torch.dtype) -> None:
    with pytest.raises(BadInput, match="queries: 1 of 3 rows hold NaN or infinity, the first is row 1"):
        as_rows(torch.tensor([[0.0], [value], [1.0]]).to(kind), "queries")
    assert as_numbers(torch.tensor([[value]]), "queries").shape == (1, 1), "others decide about it"


def test_numbers_whose_squares_leave_float32_are_named() -> None:
    with pytest.raises(BadInput, match="queries: row 1 holds a number of 1e\\+20; squares of numbers above 1e\\+15"):
        as_rows([[0.0, 0.0], [1.0, -1e20]], "queries")
    with pytest.raises(BadInput, match="1e\\+300"):
        as_rows(np.array([[1e300]]), "queries")
    assert as_rows([[LARGEST, -LARGEST]], "queries").square().sum().isfinite()


@pytest.mark.parametrize(
    ("size", "offset"), [(1.0, 0.0), (1e-25, 0.0), (1e-40, 0.0), (1e14, 0.0), (1.0, 1e4), (1e-20, 1e-17)]
)
def test_distances_by_products_are_right_after_conditioning(size: float, offset: float) -> None:
    rows = torch.from_numpy((np.random.default_rng(0).normal(size=(20, 8)) * size + offset).astype(np.float32))
    found, factor, centre = conditioned(rows)
    assert found.dtype == torch.float32
    assert (centre is None) == (offset == 0)
    norms = found.square().sum(dim=1)
    squares = (norms[:, None] + norms - 2 * found @ found.T).clamp(min=0).double()
    wanted = (rows.double()[:, None] - rows.double()[None]).norm(dim=2)
    torch.testing.assert_close(squares.fill_diagonal_(0).sqrt() / factor, wanted, rtol=1e-3, atol=0)


def test_usual_rows_are_not_copied() -> None:
    rows = torch.nn.functional.normalize(torch.randn(50, 8))
    assert conditioned(rows)[0] is rows
    assert conditioned(rows)[1:] == (1.0, None)
    for nothing in (torch.zeros(3, 2), torch.zeros(0, 2)):
        assert conditioned(nothing)[1:] == (1.0, None)

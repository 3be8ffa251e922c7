"""Leaves hold each row once a tree and its near ones nearly always; their distances are those one computes."""

import numpy as np
import pytest
import torch

from omlzoo.ops import forest
from omlzoo.ops.forest import leaves, neighbors_in_leaves

ROWS = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("leaf", [10, 64, 2000])
def test_every_row_is_in_one_leaf_of_each_tree(leaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "LEAF", leaf)
    met: list[int] = []
    for ids, squares in leaves(ROWS, 3):
        assert ids.shape[1] <= leaf
        for rows, apart in zip(ids, squares, strict=True):
            there = rows >= 0
            wanted = torch.cdist(ROWS[rows[there]].double(), ROWS[rows[there]].double()).square()
            wanted.fill_diagonal_(torch.inf)
            torch.testing.assert_close(apart[there][:, there].double(), wanted, rtol=1e-4, atol=1e-4)
            assert torch.isinf(apart[~there]).all()
            met += rows[there].tolist()
    assert np.bincount(met).tolist() == [3] * 1000


def test_neighbours_are_rows_that_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "LEAF", 200)
    best, found = neighbors_in_leaves(ROWS, 5, 20)
    apart = torch.cdist(ROWS, ROWS).fill_diagonal_(torch.inf)
    truth = apart.topk(5, largest=False)
    torch.testing.assert_close(best.sqrt(), apart.gather(1, found), rtol=1e-3, atol=1e-3)
    assert all(len(set(row.tolist())) == 5 for row in found)
    assert (best.sqrt() >= truth.values - 1e-3).all()
    same = [len(set(a.tolist()) & set(b.tolist())) for a, b in zip(found, truth.indices, strict=True)]
    assert np.mean(same) > 4.5


def test_equal_rows_and_few_rows_are_divided_too() -> None:
    best, _ = neighbors_in_leaves(torch.ones(900, 3), 2, 2)
    assert (best == 0).all()
    best, found = neighbors_in_leaves(ROWS[:2], 3, 1)
    assert found[:, 0].tolist() == [1, 0]
    assert torch.isinf(best[:, 1:]).all()

"""Miners equal the loop, and Open Metric Learning's choice."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from omlzoo import catalog
from omlzoo.miners import AllTriplets, HardTriplets

MINERS = sorted(catalog.names("miners"))
CASES = json.loads((Path(__file__).parent / "data" / "oml_pml_triplet.json").read_text())["cases"]


def batch(size: int, labels: int, seed: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, 4, generator=draw), torch.randint(0, labels, (size,), generator=draw)


def triplets(found: tuple[Tensor, Tensor, Tensor]) -> list[tuple[int, ...]]:
    return list(zip(*(indices.tolist() for indices in found), strict=True))


@given(st.integers(1, 14), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_all_triplets_are_all(size: int, count: int, seed: int) -> None:
    embeddings, labels = batch(size, count, seed)
    rows = range(size)
    wanted = {(a, p, n) for a in rows for p in rows for n in rows if a != p and labels[a] == labels[p] != labels[n]}
    found = triplets(AllTriplets()(embeddings, labels))
    assert len(found) == len(set(found))
    assert set(found) == wanted


@given(st.integers(1, 14), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_hard_triplets_are_the_hardest_of_each_anchor(size: int, count: int, seed: int) -> None:
    embeddings, labels = batch(size, count, seed)
    wanted = []
    for a in range(size):
        positives = [i for i in range(size) if i != a and labels[i] == labels[a]]
        negatives = [i for i in range(size) if labels[i] != labels[a]]
        if positives and negatives:
            to = [float((embeddings[a] - row).norm()) for row in embeddings]
            wanted.append((a, max(positives, key=lambda i: to[i]), min(negatives, key=lambda i: to[i])))
    assert triplets(HardTriplets()(embeddings, labels)) == wanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_hard_triplets_are_open_metric_learnings(case: dict) -> None:
    theirs = case["oml"]["HardTripletsMiner/margin=0.2"]["triplets"]
    found = triplets(HardTriplets()(torch.tensor(case["embeddings"]), torch.tensor(case["labels"])))
    rows = list(zip(*theirs.values(), strict=True)) if isinstance(theirs, dict) else [tuple(t) for t in theirs]
    rows = rows if len(rows) == len(found) else list(zip(*theirs, strict=True))
    assert sorted(found) == sorted(tuple(map(int, row)) for row in rows)


@pytest.mark.parametrize("name", MINERS)
@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]])
def test_batches_without_a_triplet_give_none(name: str, labels: list[int]) -> None:
    found = catalog.find("miners", name)()(torch.randn(len(labels), 3), torch.tensor(labels))
    assert [len(indices) for indices in found] == [0, 0, 0]


@pytest.mark.parametrize("name", MINERS)
def test_renaming_labels_changes_nothing(name: str) -> None:
    embeddings, labels = batch(12, 4, 3)
    miner = catalog.find("miners", name)()
    assert triplets(miner(embeddings, labels)) == triplets(miner(embeddings, 100 - 7 * labels))

"""Miners equal the loop, and Open Metric Learning's choice."""

import inspect
import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DATA
from torch import Tensor

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.miners import (
    AllTriplets,
    EasyPositive,
    GivenTriplets,
    HardCluster,
    HardTriplets,
    MultiSimilarityPairs,
    NHardTriplets,
    SemiHardTriplets,
    StackedTriplets,
)  # fmt: skip

MINERS = sorted(set(catalog.names("miners")) - {"GivenTriplets", "StackedTriplets"})  # those do not look at labels
CASES = json.loads((DATA / "oml_pml_triplet.json").read_text())["cases"]


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


def ranked(embeddings: Tensor, a: int, rows: list[int], far: bool) -> list[int]:
    return sorted(rows, key=lambda i: float((embeddings[a] - embeddings[i]).norm()), reverse=far)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000), st.integers(1, 3), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_n_hard_triplets_are_the_ranks_of_each_anchor(size: int, count: int, seed: int, first: int, more: int) -> None:
    embeddings, labels = batch(size, count, seed)
    wanted = set()
    for a in range(size):
        positives = ranked(embeddings, a, [i for i in range(size) if i != a and labels[i] == labels[a]], far=True)
        negatives = ranked(embeddings, a, [i for i in range(size) if labels[i] != labels[a]], far=False)
        chosen = positives[:2], negatives[first - 1 : first + more]
        wanted |= {(a, p, n) for p in chosen[0] for n in chosen[1]}
    found = triplets(NHardTriplets(2, (first, first + more))(embeddings, labels))
    assert len(found) == len(set(found))
    assert set(found) == wanted


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000), st.sampled_from([None, 0.3, 2.0]))
@settings(max_examples=50, deadline=None)
def test_semi_hard_triplets_are_those_of_the_loop(size: int, count: int, seed: int, margin: float | None) -> None:
    embeddings, labels = batch(size, count, seed)
    wanted = []
    for a in range(size):
        to = [float((embeddings[a] - row).norm()) for row in embeddings]
        for p in range(size):
            if p == a or labels[p] != labels[a]:
                continue
            negatives = [n for n in range(size) if labels[n] != labels[a] and to[n] > to[p]]
            negatives = [n for n in negatives if margin is None or to[n] < to[p] + margin]
            if negatives:
                wanted.append((a, p, min(negatives, key=lambda n: to[n])))
    assert triplets(SemiHardTriplets(margin)(embeddings, labels)) == wanted


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_easy_positives_are_the_nearest(size: int, count: int, seed: int) -> None:
    embeddings, labels = batch(size, count, seed)
    wanted = []
    for a in range(size):
        positives = ranked(embeddings, a, [i for i in range(size) if i != a and labels[i] == labels[a]], far=False)
        negatives = ranked(embeddings, a, [i for i in range(size) if labels[i] != labels[a]], far=False)
        if positives and negatives:
            wanted.append((a, positives[0], negatives[0]))
    assert triplets(EasyPositive()(embeddings, labels)) == wanted


PEERS = json.loads((DATA / "peers_losses.json").read_text())
GIVEN, GIVEN_LABELS = torch.tensor(PEERS["embeddings"]), torch.tensor(PEERS["labels"])


@pytest.mark.parametrize("case", PEERS["n_hard"], ids=lambda case: f"{case['n_positive']} {case['n_negative']}")
def test_n_hard_triplets_are_open_metric_learnings(case: dict) -> None:
    places = [tuple(n) if isinstance(n, list) else n for n in (case["n_positive"], case["n_negative"])]
    found = triplets(NHardTriplets(*places)(GIVEN, GIVEN_LABELS))
    assert sorted(found) == sorted(map(tuple, case["triplets"]))


def test_hard_cluster_is_open_metric_learnings() -> None:
    miner = HardCluster()
    points = miner.points(GIVEN, GIVEN_LABELS)
    for indices, theirs in zip(miner(GIVEN, GIVEN_LABELS), PEERS["hard_cluster"].values(), strict=True):
        assert torch.allclose(points[indices], torch.tensor(theirs), atol=1e-6)


def test_hard_cluster_takes_labels_of_any_size() -> None:
    embeddings = torch.tensor([[0.0], [1.0], [5.0], [5.5], [9.0]])
    miner = HardCluster()
    points = miner.points(embeddings, torch.tensor([7, 7, 3, 3, 1]))
    assert points[5:].flatten().tolist() == [9.0, 5.25, 0.5]  # the means of labels 1, 3, 7
    assert triplets(miner(embeddings, torch.tensor([7, 7, 3, 3, 1]))) == [(6, 2, 5), (7, 0, 6)]
    with pytest.raises(BadInput, match="takes no references"):
        miner(embeddings, torch.zeros(5), embeddings, torch.zeros(5))


def test_multi_similarity_pairs_are_pytorch_metric_learnings() -> None:
    found = [indices.tolist() for indices in MultiSimilarityPairs(0.1)(GIVEN, GIVEN_LABELS)]
    wanted = PEERS["multi_similarity_pairs"]
    assert set(zip(found[0], found[1], strict=True)) == set(zip(wanted[0], wanted[1], strict=True))
    assert set(zip(found[2], found[3], strict=True)) == set(zip(wanted[2], wanted[3], strict=True))


@pytest.mark.parametrize("name", ["AllTriplets", "HardTriplets", "SemiHardTriplets", "NHardTriplets", "EasyPositive"])
def test_references_are_what_anchors_are_compared_with(name: str) -> None:
    miner = catalog.find("miners", name)()
    embeddings, labels = batch(9, 3, 4)
    others, names = batch(11, 3, 5)
    both, both_names = torch.cat([embeddings, others]), torch.cat([labels, names])
    # Among all 20 rows, the triplets whose anchor is one of the first 9 are those of the 9 against the 20.
    wanted = [triplet for triplet in triplets(miner(both, both_names)) if triplet[0] < 9]
    assert triplets(miner(embeddings, labels, both, both_names, 0)) == wanted
    apart = triplets(miner(embeddings, labels, others, names))
    assert all(labels[a] == names[p] and labels[a] != names[n] for a, p, n in apart)
    assert apart


@pytest.mark.parametrize(("call", "message"), [
    (lambda: NHardTriplets(0), "n_positive is 0; it must be 1 or more"),
    (lambda: NHardTriplets(1, (3, 2)), r"n_negative is \(3, 2\)"),
    (lambda: SemiHardTriplets(0), "margin is 0"), (lambda: MultiSimilarityPairs(-1), "epsilon is -1"),
    (lambda: GivenTriplets(torch.ones(2), torch.ones(3), torch.ones(2)), "must be \\(T,\\) each"),
    (lambda: StackedTriplets()(torch.ones(4, 2), torch.ones(4)), "4 rows; stacked triplets need a multiple of 3"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


@pytest.mark.parametrize("name", MINERS)
@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_batches_without_a_triplet_give_none(name: str, labels: list[int]) -> None:
    found = catalog.find("miners", name)()(torch.randn(len(labels), 3), torch.tensor(labels))
    assert [len(indices) for indices in found] in ([0, 0, 0], [0, 0, 0, 0])


@pytest.mark.parametrize("name", MINERS)
def test_renaming_labels_changes_nothing(name: str) -> None:
    embeddings, labels = batch(12, 4, 3)
    miner = catalog.find("miners", name)()
    found, renamed = miner(embeddings, labels), miner(embeddings, 3 + 7 * labels)
    assert all(torch.equal(a, b) for a, b in zip(found, renamed, strict=True))


@pytest.mark.parametrize("name", [*MINERS, "StackedTriplets"])
def test_a_miner_is_printed_as_the_call_that_makes_it(name: str) -> None:
    kind = catalog.find("miners", name)
    text = repr(kind())
    assert "\n" not in text
    assert text.startswith(f"{name}(")
    for setting in inspect.signature(kind).parameters.values():
        if isinstance(setting.default, int | float | str):
            assert f"{setting.name}={setting.default!r}" in text
    assert repr(eval(text, catalog.names("miners"))) == text


@pytest.mark.parametrize("text", [
    "SemiHardTriplets(margin=0.3)", "MultiSimilarityPairs(epsilon=0.2)",
    "NHardTriplets(n_positive=(2, 5), n_negative=3)", "NHardTriplets(n_positive=2, n_negative=(3, 3))",
])  # fmt: skip
def test_other_settings_are_printed_too(text: str) -> None:
    assert repr(eval(text, catalog.names("miners"))) == text


def test_given_triplets_are_printed_by_their_number() -> None:
    text = repr(GivenTriplets(*torch.zeros(3, 500, dtype=torch.int64)))
    assert text == "GivenTriplets(anchors=<500 indices>, positives=<500 indices>, negatives=<500 indices>)"


@pytest.mark.parametrize(
    "labels", [[0, 0, 1], (0, 0, 1), np.array([0, 0, 1]), list("aab"), None, torch.tensor(3), torch.zeros(3, 1)]
)
def test_labels_that_are_no_row_of_a_tensor_are_refused_in_one_line(labels: Any) -> None:
    for miner in (StackedTriplets(), GivenTriplets(*torch.arange(3).view(3, 1)), AllTriplets()):
        with pytest.raises(BadInput, match=r"^[^\n]*labels[^\n]*$"):
            miner(torch.randn(3, 4), labels)

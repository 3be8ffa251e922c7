"""The triplets of a large angle are those of the loop and of PML."""

import math

import pytest
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.miners import AngularPairs

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1, 2])


def rows(seed: int, size: int = 10) -> Tensor:
    return torch.randn(size, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def triplets(found: tuple[Tensor, Tensor, Tensor]) -> set[tuple[int, ...]]:
    return set(zip(*(indices.tolist() for indices in found), strict=True))


@pytest.mark.parametrize("angle", [0, 20, 35, 60])
def test_triplets_equal_the_loop_and_pmls(angle: int) -> None:
    miners = pytest.importorskip("pytorch_metric_learning.miners", reason="pytorch-metric-learning is not installed")
    embeddings, wanted = rows(angle), set()
    for a in range(10):
        for p in range(10):
            for n in range(10):
                if a != p and LABELS[a] == LABELS[p] != LABELS[n]:
                    middle = (embeddings[a] + embeddings[p]) / 2
                    width, far = (embeddings[a] - embeddings[p]).norm(), (embeddings[n] - middle).norm()
                    if math.degrees(math.atan2(float(width) / 2, float(far))) > angle:
                        wanted.add((a, p, n))
    found = AngularPairs(angle)(embeddings, LABELS)
    assert len(found[0]) == len(wanted)
    assert triplets(found) == wanted == triplets(miners.AngularMiner(angle)(embeddings, LABELS))


def test_references_are_what_pairs_are_looked_for_in() -> None:
    embeddings, others, names = rows(1), rows(2, 12), torch.arange(12) % 4
    both, labels = torch.cat([embeddings, others]), torch.cat([LABELS, names])
    among = {triplet for triplet in triplets(AngularPairs()(both, labels)) if triplet[0] < 10}
    assert triplets(AngularPairs()(embeddings, LABELS, both, labels, 0)) == among
    apart = {(a, p - 10, n - 10) for a, p, n in among if p >= 10 and n >= 10}
    assert triplets(AngularPairs()(embeddings, LABELS, others, names)) == apart


def test_a_negative_in_the_middle_is_seen_at_a_right_angle() -> None:
    line = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 9.0]])
    assert triplets(AngularPairs(89)(line, torch.tensor([0, 0, 1, 1]))) == {(0, 1, 2), (1, 0, 2)}
    for angle in (-1, 90):
        with pytest.raises(BadInput, match=f"angle is {angle}; it must be in degrees"):
            AngularPairs(angle)

"""Distance-weighted sampling has PML's weights, draws by them, and draws the same again."""

from typing import Any

import pytest
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.miners import DistanceWeighted
from omlzoo.ops.pairs import pair_up

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1, 2])


def rows(seed: int, size: int = 10, dim: int = 6) -> Tensor:
    return torch.randn(size, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dim", [2, 3, 6, 128])
@pytest.mark.parametrize("references", [False, True])
def test_weights_are_pmls(dim: int, references: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    miners = pytest.importorskip("pytorch_metric_learning.miners", reason="pytorch-metric-learning is not installed")
    from pytorch_metric_learning.utils import loss_and_miner_utils

    seen: list[Tensor] = []

    def keep(labels: Tensor, ref_labels: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        seen.append(weights)
        return (torch.zeros(0, dtype=torch.long),) * 3

    monkeypatch.setattr(loss_and_miner_utils, "get_random_triplet_indices", keep)
    embeddings = rows(0, dim=dim)
    others: Any = (rows(1, 13, dim), torch.arange(13) % 5) if references else ()
    miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4)(embeddings, LABELS, *others)
    found = DistanceWeighted().chances(pair_up(embeddings, LABELS, *others))
    assert torch.allclose(found, seen[0].nan_to_num(), rtol=1e-6, atol=1e-12)
    assert ((found.sum(dim=1) - 1).abs() < 1e-9).any()


def test_each_positive_pair_draws_by_these_weights() -> None:
    embeddings = rows(4)
    pairs = pair_up(embeddings, LABELS)
    chances = DistanceWeighted().chances(pairs)
    counts = torch.zeros(10, 10, dtype=torch.float64)
    wanted = {(a, p) for a in range(10) for p in range(10) if a != p and LABELS[a] == LABELS[p] and chances[a].any()}
    for seed in range(400):
        anchors, positives, negatives = DistanceWeighted(seed=seed)(embeddings, LABELS)
        assert set(zip(anchors.tolist(), positives.tolist(), strict=True)) == wanted
        assert len(anchors) == len(wanted)
        counts.index_put_((anchors, negatives), torch.ones(len(anchors), dtype=torch.float64), accumulate=True)
    drawn = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    asked = torch.tensor([bool((label == LABELS).sum() > 1) for label in LABELS])
    assert float((drawn - chances)[asked].abs().max()) < 0.1  # four standard errors of 400 draws
    assert (counts[chances == 0] == 0).all()


def test_the_same_embeddings_and_seed_draw_the_same() -> None:
    embeddings = rows(4)
    first, again = DistanceWeighted()(embeddings, LABELS), DistanceWeighted()(embeddings.clone(), LABELS)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    others = [DistanceWeighted(seed=1)(embeddings, LABELS)[2], DistanceWeighted()(1.001 * embeddings, LABELS)[2]]
    assert not any(torch.equal(first[2], each) for each in others)


def test_anchors_whose_negatives_are_all_far_give_none() -> None:
    cross = torch.tensor([[1.0, 0, 0], [1, 0.1, 0], [-1, 0, 0], [-1, 0.1, 0]])
    assert [len(each) for each in DistanceWeighted()(cross, torch.tensor([0, 0, 1, 1]))] == [0, 0, 0]
    assert len(DistanceWeighted(farthest=2.0)(cross, torch.tensor([0, 0, 1, 1]))[0]) == 4


@pytest.mark.parametrize(("settings", "message"), [
    ({"cutoff": 0}, "cutoff is 0 and farthest 1.4; give 0 < cutoff < farthest <= 2"), ({"farthest": 2.1}, "farthest 2.1"),
    ({"seed": -1}, "seed is -1; it must be 0 or more"),
])  # fmt: skip
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        DistanceWeighted(**settings)

"""Losses of ranks and of several lengths: PML's values and gradients, or a loop over the paper's equation."""

import math
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.losses import (
    ArcFaceLoss,
    CrossBatch,
    FastAPLoss,
    LiftedStructureLoss,
    MatryoshkaLoss,
    PNPLoss,
    ProtoNCE,
    ProxyNCALoss,
    RankedListLoss,
    RecallAtKLoss,
    SmoothAPLoss,
    SoftTripleLoss,
    SupConLoss,
    TripletLoss,
)  # fmt: skip
from omlzoo.memory import MemoryBank

LABELS = torch.arange(4).repeat_interleave(3)
SQUARE = torch.arange(3).repeat_interleave(3)  # PML's Smooth-AP mixes up the number of labels and that of their items


@pytest.fixture
def theirs() -> ModuleType:
    return pytest.importorskip("pytorch_metric_learning.losses", reason="pytorch-metric-learning is not installed")


def rows(seed: int = 0, size: int = 12, dim: int = 6) -> Tensor:
    return torch.randn(size, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def same(ours: Any, peer: Any, seed: int, labels: Tensor = LABELS) -> None:
    """Value and gradient to 1e-6."""
    first, second = rows(seed, len(labels)), rows(seed, len(labels))
    one, other = ours(first, labels), peer(second, labels)
    one.backward(), other.backward()
    assert one.item() == pytest.approx(other.item(), rel=1e-6, abs=1e-9)
    assert torch.allclose(first.grad, second.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [0.01, 0.1])
def test_smooth_ap_is_pmls(temperature: float, seed: int, theirs: ModuleType) -> None:
    same(SmoothAPLoss(temperature), theirs.SmoothAPLoss(temperature), seed, SQUARE)


def test_smooth_ap_takes_labels_of_any_size_and_order() -> None:
    embeddings, labels, t = rows(1, 9), torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1]), 0.05
    unit = nn.functional.normalize(embeddings.detach())
    s = (unit @ unit.T).tolist()

    def step(a: int, i: int, p: int) -> float:
        return 1 / (1 + math.exp(-(s[a][i] - s[a][p]) / t))

    values = []
    for a in range(9):
        group = [p for p in range(9) if labels[p] == labels[a]]
        if len(group) > 1:
            ratios = [(1 + sum(step(a, i, p) for i in group if i != p))
                      / (1 + sum(step(a, i, p) for i in range(9) if i != p)) for p in group]  # fmt: skip
            values.append(sum(ratios) / len(group))
    assert SmoothAPLoss(t)(embeddings, labels).item() == pytest.approx(1 - sum(values) / len(values), rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, (1, 2, 4)])
@pytest.mark.parametrize("seed", range(2))
def test_recall_at_k_equals_the_loop(k: Any, seed: int) -> None:
    embeddings, labels, t1, t2 = rows(seed, 10), torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1, 0]), 1.0, 0.05
    unit = nn.functional.normalize(embeddings)

    def recall(a: int, k: int) -> Tensor:
        positives = [p for p in range(10) if p != a and labels[p] == labels[a]]
        total = torch.zeros((), dtype=torch.float64)
        for p in positives:
            rank = 1 + sum(
                torch.sigmoid((unit[a] @ unit[i] - unit[a] @ unit[p]) / t2) for i in range(10) if i not in (a, p)
            )
            total = total + torch.sigmoid((k - rank) / t1)
        return total.clamp(max=k) / min(k, len(positives))

    anchors = [a for a in range(10) if (labels == labels[a]).sum() > 1]
    ks = k if isinstance(k, tuple) else (k,)
    wanted = 1 - torch.stack([recall(a, each) for a in anchors for each in ks]).mean()
    (gradient,) = torch.autograd.grad(wanted, embeddings)
    found = RecallAtKLoss(k, t1, t2)(embeddings, labels)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(torch.autograd.grad(found, embeddings)[0], gradient, rtol=1e-6, atol=1e-9)


def test_ranks_are_the_same_among_references_of_the_batch_itself() -> None:
    for loss in (SmoothAPLoss(), RecallAtKLoss()):
        wanted = loss(rows(), LABELS)
        assert loss(rows(), LABELS, rows(), LABELS, 0).item() == pytest.approx(wanted.item())
        with pytest.raises(BadInput, match="is not computed over chosen pairs"):
            loss(rows(), LABELS, (torch.arange(2),) * 3)
    with pytest.raises(BadInput, match="k is 0; it must be a whole number of 1 or more"):
        RecallAtKLoss(0)
    with pytest.raises(BadInput, match="temperature is 0; it must be above 0"):
        SmoothAPLoss(0)


def test_matryoshka_is_the_sum_over_the_first_numbers() -> None:
    embeddings = nn.functional.normalize(rows())
    wanted = TripletLoss()(embeddings, LABELS)
    for dim, weight in ((4, 0.5), (2, 2.0)):
        short = embeddings[:, :dim] / embeddings[:, :dim].norm(dim=1, keepdim=True)
        wanted = wanted + weight * TripletLoss()(short, LABELS)
    loss = MatryoshkaLoss(TripletLoss(), (6, 4, 2), (1.0, 0.5, 2.0))
    assert loss(embeddings, LABELS).item() == pytest.approx(wanted.item(), rel=1e-6)
    assert {"value@6", "value@4", "value@2", "triplets", "empty_batches"} <= loss.stats.keys()
    assert loss.stats["value@6"] == pytest.approx(TripletLoss()(embeddings, LABELS).item())


def test_matryoshka_of_a_loss_of_pml_and_of_a_table(theirs: ModuleType) -> None:
    def by_hand(embeddings: Tensor, labels: Tensor) -> Tensor:
        total: Tensor = theirs.SupConLoss()(embeddings, labels) + theirs.SupConLoss()(embeddings[:, :3], labels)
        return total

    same(MatryoshkaLoss(theirs.SupConLoss(), (6, 3)), by_hand, 2)
    table = ArcFaceLoss(6, 4).double()
    short = ArcFaceLoss(3, 4).double()
    short.weight.data = table.weight.data[:, :3]
    wanted = table(rows(), LABELS) + short(rows()[:, :3], LABELS)
    found = MatryoshkaLoss(table, (6, 3))(rows(), LABELS)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    found.backward()
    assert table.weight.grad is not None


def test_matryoshka_with_a_memory() -> None:
    loss = CrossBatch(MatryoshkaLoss(SupConLoss(), (6, 3)), MemoryBank(24, 6))  # type: ignore[arg-type]
    first, second = rows(0).float(), rows(1).float()
    loss(first, LABELS)
    both = torch.cat([second, first.detach()])
    wanted = sum(SupConLoss()(second[:, :dim], LABELS, both[:, :dim], torch.cat([LABELS, LABELS]), 0) for dim in (6, 3))
    assert loss(second, LABELS).item() == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: MatryoshkaLoss(SupConLoss(), ()), "dims is .*; it must be several different whole numbers of 1 or more"),
    (lambda: MatryoshkaLoss(SupConLoss(), (4, 4)), "must be several different"),
    (lambda: MatryoshkaLoss(SupConLoss(), (4, 2), (1.0,)), "weights is .*; it must have 2 numbers of 0 or more"),
    (lambda: MatryoshkaLoss(ProtoNCE(6, 4), (6, 3)), "ProtoNCE keeps vectors of one dimension"),
    (lambda: MatryoshkaLoss(SupConLoss(), (7, 3))(rows(), LABELS), "dims has 7, but the embeddings have 6 numbers"),
])  # fmt: skip
def test_lengths_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


@pytest.mark.parametrize("seed", range(2))
def test_more_losses_are_pmls(seed: int, theirs: ModuleType) -> None:
    same(FastAPLoss(10), theirs.FastAPLoss(10), seed)
    same(LiftedStructureLoss(1.2, 0.1), theirs.LiftedStructureLoss(neg_margin=1.2, pos_margin=0.1), seed)
    same(RankedListLoss(0.4, None, 5.0, 1.0, 0.3), theirs.RankedListLoss(0.4, 5.0, imbalance=0.3, Tp=1.0), seed)
    for variant in ("O", "Ds", "Dq", "Iu", "Ib"):
        same(PNPLoss(variant, b=3, alpha=2, temperature=0.05),
             theirs.PNPLoss(b=3, alpha=2, anneal=0.05, variant=variant), seed)  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_losses_with_points_of_labels_are_pmls(seed: int, theirs: ModuleType) -> None:
    nca, soft = ProxyNCALoss(6, 4, 3.0).double(), SoftTripleLoss(6, 4, 5, 20.0, 0.2, 0.05).double()
    peer, other = theirs.ProxyNCALoss(4, 6, softmax_scale=3.0), theirs.SoftTripleLoss(4, 6, 5, 20, 0.2, 0.05)
    peer.proxies.data, other.fc.data = nca.proxies.data.clone(), soft.points.data.T.clone()
    same(nca, peer, seed)
    same(soft, other, seed)
    assert torch.allclose(nca.proxies.grad, peer.proxies.grad, rtol=1e-6, atol=1e-9)
    assert torch.allclose(soft.points.grad, other.fc.grad.T, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: FastAPLoss(0), "bins is 0; it must be a whole number of 1 or more"),
    (lambda: PNPLoss("X"), "variant is 'X'; it must be one of O, Ds"),
    (lambda: RankedListLoss(imbalance=2), "imbalance 2; they must be 0 or more"),
    (lambda: RankedListLoss(negative_temperature=99), "must be from 0 to 20"),
    (lambda: ProxyNCALoss(0, 4), "dim 0 and n_labels 4 must be 1 or more"),
    (lambda: SoftTripleLoss(6, 4, centers=0), "centers 0 must be 1 or more"),
])  # fmt: skip
def test_settings_of_these_are_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()

"""Losses and miners of other libraries work in our places unchanged, and ours in theirs."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from places import PROJECT
from torch import nn

from omlzoo.data.dataset import Batch
from omlzoo.errors import BadInput
from omlzoo.losses import (
    ArcFaceLoss,
    CircleLoss,
    ContrastiveLoss,
    MarginLoss,
    MultiSimilarityLoss,
    NTXentLoss,
    SupConLoss,
    TripletLoss,
)  # fmt: skip
from omlzoo.ops.pairs import check_batch
from omlzoo.samplers import Balanced
from omlzoo.training.loop import train_epoch
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization

LABELS = torch.arange(8).repeat_interleave(4)
PIXELS = torch.randint(0, 255, (32, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def pml_losses() -> ModuleType:
    """Their losses, imported by the tests that want them, not while tests are collected."""
    return pytest.importorskip("pytorch_metric_learning.losses", reason="pytorch-metric-learning is not installed")


def train(loss: nn.Module) -> list[float]:
    """Losses of two epochs of our loop over 8 labels of 4 pictures."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 16))
    work = Optimization(
        model, Supervised(loss), Recipe(optimizer="SGD", lr=0.01, warmup=0, schedule="constant"), 8, "fp32"
    )
    batches: list[Batch] = [
        (PIXELS[rows], LABELS[rows], torch.tensor(rows), []) for rows in Balanced(LABELS.tolist(), 4, 4)
    ]
    return [train_epoch(work, batches, lambda pixels: [pixels.float() / 255]).loss for _ in range(2)]


@pytest.mark.parametrize("make", [
    lambda theirs: theirs.SupConLoss(), lambda theirs: theirs.MultiSimilarityLoss(), lambda theirs: theirs.NTXentLoss(),
    lambda theirs: theirs.ArcFaceLoss(8, 16, scale=8), lambda theirs: theirs.ProxyAnchorLoss(8, 16),
    lambda theirs: theirs.CrossBatchMemory(theirs.ContrastiveLoss(), 16, 64),
])  # fmt: skip
def test_losses_of_pytorch_metric_learning_train_in_our_loop(
    make: Callable[[ModuleType], nn.Module], pml_losses: ModuleType
) -> None:
    first, second = train(make(pml_losses))
    assert second < first


def test_miners_of_pytorch_metric_learning_choose_for_our_loss() -> None:
    pml_miners = pytest.importorskip("pytorch_metric_learning.miners", reason="pytorch-metric-learning is missing")
    rows = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))
    miner = pml_miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
    anchors, positives, negatives = miner(rows, LABELS)
    loss = TripletLoss(0.2, miner)
    near = (rows[anchors] - rows[positives]).norm(dim=1)
    far = (rows[anchors] - rows[negatives]).norm(dim=1)
    assert loss(rows, LABELS).item() == pytest.approx(torch.relu(near - far + 0.2).mean().item(), rel=1e-4)
    assert loss.stats["triplets"] == len(anchors)


def test_our_miner_chooses_for_their_loss(pml_losses: ModuleType) -> None:
    from omlzoo.miners import HardTriplets

    rows = nn.functional.normalize(torch.randn(32, 16, generator=torch.Generator().manual_seed(1)))
    theirs = pml_losses.TripletMarginLoss(margin=0.2)(rows, LABELS, HardTriplets()(rows, LABELS))
    assert torch.isfinite(theirs)
    assert theirs > 0


def test_losses_of_lightly_take_our_embeddings() -> None:
    lightly = pytest.importorskip("lightly.loss", reason="lightly is not installed")

    class TwoViews(nn.Module):
        """Lightly's losses take two views; our loop gives a batch with labels: one line of the user's own."""

        def __init__(self) -> None:
            super().__init__()
            self.theirs = lightly.NTXentLoss(temperature=0.5)

        def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            check_batch(embeddings, labels)
            order = labels.argsort(stable=True)
            return self.theirs(embeddings[order[0::2]], embeddings[order[1::2]])

    first, second = train(TwoViews())
    assert second < first


def test_this_file_stands_beside_the_examples() -> None:
    assert (PROJECT / "docs" / "losses.md").is_file()


def rows_of(seed: int) -> torch.Tensor:
    return torch.randn(12, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


NAMES = torch.arange(4).repeat(3)
TWINS: dict[str, tuple[Callable[[ModuleType], nn.Module], Callable[[], nn.Module]]] = {
    "ContrastiveLoss": (lambda theirs: theirs.ContrastiveLoss(pos_margin=0.1, neg_margin=1.2),
                        lambda: Unit(ContrastiveLoss(0.1, 1.2))),
    "MultiSimilarityLoss": (lambda theirs: theirs.MultiSimilarityLoss(2, 50, 0.5), lambda: MultiSimilarityLoss(2, 50, 0.5)),
    "CircleLoss": (lambda theirs: theirs.CircleLoss(0.4, 80), lambda: CircleLoss(0.4, 80)),
    "NTXentLoss": (lambda theirs: theirs.NTXentLoss(0.2), lambda: NTXentLoss(0.2)),
    "SupConLoss": (lambda theirs: theirs.SupConLoss(0.2), lambda: SupConLoss(0.2)),
    "MarginLoss": (lambda theirs: theirs.MarginLoss(0.2, beta=1.1), lambda: MarginLoss(0.2, 1.1)),
}  # fmt: skip


class Unit(nn.Module):
    """PML's distance losses divide by the norm themselves."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, indices: object = None,
                ref_emb: torch.Tensor | None = None, ref_labels: torch.Tensor | None = None) -> torch.Tensor:  # fmt: skip
        others = None if ref_emb is None else nn.functional.normalize(ref_emb)
        value: torch.Tensor = self.loss(nn.functional.normalize(embeddings), labels, indices, others, ref_labels)
        return value


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("miner", [None, "MultiSimilarityMiner"])
def test_our_losses_are_theirs_in_their_memory(name: str, miner: str | None, pml_losses: ModuleType) -> None:
    pml_miners = pytest.importorskip("pytorch_metric_learning.miners", reason="pytorch-metric-learning is missing")
    make_theirs, make_ours = TWINS[name]
    ours = make_ours()
    kind = type(name, (type(ours),), {})  # their memory looks at the name of the class
    ours.__class__ = kind
    memories = [pml_losses.CrossBatchMemory(loss, 8, 30, miner=miner and getattr(pml_miners, miner)())
                for loss in (make_theirs(pml_losses), ours)]  # fmt: skip
    for seed in range(4):  # the queue is full and begins anew in the third
        first, second = rows_of(seed).requires_grad_(), rows_of(seed).requires_grad_()
        wanted, found = memories[0](first, NAMES), memories[1](second, NAMES)
        wanted.backward(), found.backward()
        assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
        assert torch.allclose(second.grad, first.grad, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", TWINS)
def test_their_miners_choose_the_same_pairs_for_ours(name: str, pml_losses: ModuleType) -> None:
    pml_miners = pytest.importorskip("pytorch_metric_learning.miners", reason="pytorch-metric-learning is missing")
    make_theirs, make_ours = TWINS[name]
    rows = rows_of(1)
    for miner in (pml_miners.MultiSimilarityMiner(), pml_miners.PairMarginMiner(0.2, 0.8)):  # tuples of four
        chosen = miner(rows, NAMES)
        wanted = make_theirs(pml_losses)(rows, NAMES, chosen)
        assert make_ours()(rows, NAMES, chosen).item() == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("indices", [3, 4])
def test_triplets_that_were_chosen_are_those_of_the_loss(indices: int, pml_losses: ModuleType) -> None:
    from pytorch_metric_learning.miners import MultiSimilarityMiner, TripletMarginMiner

    rows = nn.functional.normalize(rows_of(2))
    miner = TripletMarginMiner(0.3) if indices == 3 else MultiSimilarityMiner()
    chosen = miner(rows, NAMES)
    reducer = __import__("pytorch_metric_learning.reducers").reducers.MeanReducer()
    wanted = pml_losses.TripletMarginLoss(0.2, reducer=reducer)(rows, NAMES, chosen)
    assert len(chosen) == indices
    assert TripletLoss(0.2)(rows, NAMES, chosen).item() == pytest.approx(wanted.item(), rel=1e-6)
    assert TripletLoss(0.2, miner)(rows, NAMES).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_wrappers_of_pytorch_metric_learning_take_ours(pml_losses: ModuleType) -> None:
    first, second = rows_of(3), rows_of(4)
    both, ids = torch.cat([first, second]), torch.arange(12)
    for symmetric in (True, False):
        wanted = pml_losses.SelfSupervisedLoss(pml_losses.NTXentLoss(0.2), symmetric=symmetric)(first, second)
        found = pml_losses.SelfSupervisedLoss(NTXentLoss(0.2), symmetric=symmetric)(first, second)
        assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    several = pml_losses.MultipleLosses([NTXentLoss(0.2), SupConLoss(0.2)], weights=[1.0, 0.5])
    own = NTXentLoss(0.2)(both, ids.repeat(2)) + 0.5 * SupConLoss(0.2)(both, ids.repeat(2))
    assert several(both, ids.repeat(2)).item() == pytest.approx(own.item(), rel=1e-6)
    from omlzoo.miners import HardTriplets

    triplets = HardTriplets()(both, ids.repeat(2))
    assert torch.isfinite(several(both, ids.repeat(2), triplets))


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_of_pytorch_metric_learning_trains_with_ours() -> None:
    trainers = pytest.importorskip("pytorch_metric_learning.trainers", reason="pytorch-metric-learning is missing")
    from omlzoo.miners import HardTriplets

    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(PIXELS.float().flatten(1) / 255, LABELS)
    trunk = nn.Linear(192, 16)
    seen: list[float] = []
    trainer = trainers.MetricLossOnly(
        {"trunk": trunk}, {"trunk_optimizer": torch.optim.SGD(trunk.parameters(), 0.05)}, 32,
        {"metric_loss": TripletLoss(0.5)}, data, mining_funcs={"tuple_miner": HardTriplets()}, dataloader_num_workers=0,
        end_of_iteration_hook=lambda t: seen.append(float(t.losses["total_loss"])),
    )  # fmt: skip
    trainer.train(num_epochs=6)
    assert seen[-1] < seen[0]


def test_indices_that_point_nowhere_are_refused() -> None:
    rows = rows_of(0)
    for indices, message in (
        ((torch.tensor([12]),) * 3, r"indices\[0\] lie between 12 and 12; there are 12 rows"),
        ((torch.tensor([1]),) * 2, "indices are 2 values"),
        ((torch.tensor([1]), torch.tensor([1, 2]), torch.tensor([1])), "those of a pair go together"),
    ):
        with pytest.raises(BadInput, match=message):
            SupConLoss()(rows, NAMES, indices)
    with pytest.raises(BadInput, match="ArcFaceLoss is not computed over chosen pairs"):
        ArcFaceLoss(8, 4)(rows.float(), NAMES, (torch.tensor([1]),) * 3)


def test_ours_trains_in_a_module_of_lightly() -> None:
    """Lightly's loops call a criterion with two views: ours takes them joined, or in their wrapper's place."""
    heads = pytest.importorskip("lightly.models.modules", reason="lightly is not installed")
    from lightly.loss import NTXentLoss as Theirs

    torch.manual_seed(0)
    head = heads.SimCLRProjectionHead(16, 16, 8)
    first, second = torch.randn(2, 10, 16)
    ids = torch.arange(10).repeat(2)
    ours = NTXentLoss(0.5)(torch.cat([head(first), head(second)]), ids)
    assert ours.item() == pytest.approx(Theirs(0.5)(head(first), head(second)).item(), rel=1e-4)
    ours.backward()
    assert all(parameter.grad is not None for parameter in head.parameters())

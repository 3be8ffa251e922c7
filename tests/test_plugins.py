"""Losses and miners of other libraries work in our places unchanged, and ours in theirs."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from places import PROJECT
from torch import nn

from omlzoo.data.dataset import Batch
from omlzoo.losses import TripletLoss
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

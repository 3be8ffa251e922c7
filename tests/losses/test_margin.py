"""The margin loss and its learned boundaries are PML's, by all triplets, given ones, pairs and references."""

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses import CrossBatch, MarginLoss
from omlzoo.memory import MemoryBank
from omlzoo.miners import DistanceWeighted, MultiSimilarityPairs
from omlzoo.training.parts import make_loss
from omlzoo.training.recipe import Recipe

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1, 2])
SETTINGS: list[dict[str, Any]] = [
    {}, {"margin": 0.1, "beta": 0.9}, {"learn_beta": True, "nu": 0.03}, {"learn_beta": True, "n_labels": 4, "nu": 0.03},
]  # fmt: skip


@pytest.fixture
def theirs() -> ModuleType:
    return pytest.importorskip("pytorch_metric_learning.losses", reason="pytorch-metric-learning is not installed")


def rows(seed: int, size: int = 10) -> Tensor:
    return torch.randn(size, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def twins(theirs: ModuleType, settings: dict[str, Any]) -> tuple[MarginLoss, Any]:
    names = {"n_labels": "num_classes"}
    ours = MarginLoss(**settings).double()
    peer = theirs.MarginLoss(**{names.get(name, name): value for name, value in settings.items()}).double()
    if "n_labels" in settings:
        spread = torch.tensor([0.8, 1.0, 1.2, 1.4], dtype=torch.float64)
        ours.beta.data, peer.beta.data = spread.clone(), spread.clone()
    return ours, peer


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("given", ["nothing", "pairs", "triplets twice"])
def test_values_and_gradients_are_pmls(settings: dict[str, Any], given: str, theirs: ModuleType) -> None:
    for seed in range(2):
        ours, peer = twins(theirs, settings)
        first, second = rows(seed), rows(seed)
        chosen: Any = None
        if given == "pairs":
            chosen = MultiSimilarityPairs()(first, LABELS)
        elif given != "nothing":
            chosen = tuple(each.repeat(2)[:-1] for each in DistanceWeighted()(first, LABELS))
        found, wanted = ours(first, LABELS, indices_tuple=chosen), peer(second, LABELS, chosen)
        found.backward(), wanted.backward()
        assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
        assert torch.allclose(first.grad, second.grad, rtol=1e-6, atol=1e-9)
        if settings.get("learn_beta"):
            assert torch.allclose(ours.beta.grad, peer.beta.grad, rtol=1e-6, atol=1e-9)


def test_references_are_pmls(theirs: ModuleType) -> None:
    ours, peer = twins(theirs, SETTINGS[3])
    others, names = rows(5, 14), torch.arange(14) % 5
    found = ours(rows(0), LABELS, others, names)
    assert found.item() == pytest.approx(peer(rows(0), LABELS, None, others, names).item(), rel=1e-6)
    memory = CrossBatch(MarginLoss(miner=DistanceWeighted()), MemoryBank(20, 6))
    for seed in range(3):
        memory(rows(seed).float(), LABELS)
    assert memory.stats["memory"] == 20


def test_the_miner_is_the_losss_own_unless_indices_are_given() -> None:
    embeddings, miner = rows(3), DistanceWeighted(seed=4)
    wanted = MarginLoss()(embeddings, LABELS, miner(embeddings, LABELS))
    loss = MarginLoss(miner=miner)
    assert loss(embeddings, LABELS).item() == pytest.approx(wanted.item())
    assert loss.stats["beta"] == pytest.approx(1.2)
    everything = MarginLoss()(embeddings, LABELS).item()
    assert loss(embeddings, LABELS, torch.ones(0, dtype=torch.long).expand(3, 0).unbind()).item() == 0
    assert wanted.item() != pytest.approx(everything)


def test_a_recipe_samples_by_distance_unless_another_miner_is_named() -> None:
    assert Recipe(loss="MarginLoss").miner == "DistanceWeighted"
    assert Recipe().changed({"loss": "MarginLoss"}).miner == "DistanceWeighted"
    assert Recipe().changed({"loss": "MarginLoss", "miner": "AllTriplets"}).miner == "AllTriplets"
    assert Recipe(miner="EasyPositive").changed({"loss": "MarginLoss"}).miner == "EasyPositive"
    assert Recipe().miner == Recipe(loss="SupConLoss").miner == "HardTriplets"
    text = repr(make_loss(Recipe(loss="MarginLoss", loss_args={"learn_beta": True}), 6, 4))
    assert text == ("MarginLoss(margin=0.2, beta=1.2, learn_beta=True, n_labels=4, nu=0.0, "
                    "miner=DistanceWeighted(cutoff=0.5, farthest=1.4, seed=0))")  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), [
    ({"margin": -1}, "margin is -1 and nu 0.0; they must be 0 or more"), ({"beta": 0}, "beta is 0; it must be above 0"),
    ({"n_labels": 0}, "n_labels is 0; it must be 1 or more"), ({"nu": 0.1}, "nu is 0.1, but beta is not learned"),
])  # fmt: skip
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        MarginLoss(**settings)

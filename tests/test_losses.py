"""Losses equal a loop one can check by eye and the peers' own values; every loss keeps the common promises."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.losses import SupConLoss, TripletLoss
from omlzoo.miners import AllTriplets, HardTriplets

LOSSES = sorted(catalog.names("losses"))
CASES = json.loads((Path(__file__).parent / "data" / "oml_pml_triplet.json").read_text())["cases"]
DIM, LABELS = 6, 4


def make(name: str) -> nn.Module:
    kind = catalog.find("losses", name)
    known = {"dim": DIM, "n_labels": LABELS}
    torch.manual_seed(0)
    made: nn.Module = kind(**{key: value for key, value in known.items() if key in inspect.signature(kind).parameters})
    return made


def batch(size: int = 12, seed: int = 0, dim: int = DIM) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=draw), torch.randint(0, LABELS, (size,), generator=draw)


def triplet_by_hand(embeddings: Tensor, labels: Tensor, margin: float | None, hard: bool) -> float:
    values = []
    for a in range(len(labels)):
        to = [float((embeddings[a] - e).norm()) for e in embeddings]
        positives = [to[i] for i in range(len(labels)) if i != a and labels[i] == labels[a]]
        negatives = [to[i] for i in range(len(labels)) if labels[i] != labels[a]]
        if hard and positives and negatives:
            positives, negatives = [max(positives)], [min(negatives)]
        for p in positives:
            for n in negatives:
                gap = torch.tensor(p - n)
                values.append(float(torch.log1p(gap.exp()) if margin is None else max(0.0, p - n + margin)))
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.2, 0.0, None])
@pytest.mark.parametrize("hard", [True, False])
def test_triplet_loss_equals_the_loop(hard: bool, margin: float | None, seed: int) -> None:
    embeddings, labels = batch(seed=seed)
    loss = TripletLoss(margin, HardTriplets() if hard else AllTriplets())
    assert loss(embeddings, labels).item() == pytest.approx(triplet_by_hand(embeddings, labels, margin, hard), rel=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.parametrize("miner", ["Hard", "All"])
@pytest.mark.parametrize("margin", [0.2, None])
def test_triplet_loss_equals_open_metric_learning(case: dict[str, Any], miner: str, margin: float | None) -> None:
    theirs = case["oml"][f"{miner}TripletsMiner/margin={margin}"]
    embeddings = torch.tensor(case["embeddings"], requires_grad=True)
    loss = TripletLoss(margin, HardTriplets() if miner == "Hard" else AllTriplets())
    value = loss(embeddings, torch.tensor(case["labels"]))
    assert value.item() == pytest.approx(theirs["value"], rel=2e-6)
    assert loss.stats["triplets"] == theirs["n_triplets"]
    if theirs.get("grad_embeddings"):
        value.backward()
        assert torch.allclose(embeddings.grad, torch.tensor(theirs["grad_embeddings"]), atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_triplet_loss_equals_pytorch_metric_learning(case: dict[str, Any]) -> None:
    embeddings, labels = torch.tensor(case["embeddings"]), torch.tensor(case["labels"])
    for key, miner in (("BatchHardMiner", HardTriplets()), ("all_triplets", AllTriplets())):
        wanted = case["pml"][f"{key}/MeanReducer/margin=0.2"]["value"]
        assert TripletLoss(0.2, miner)(embeddings, labels).item() == pytest.approx(wanted, rel=2e-6)


def test_the_soft_form_survives_large_gaps() -> None:
    embeddings = torch.tensor([[0.0], [500.0], [0.1]], requires_grad=True)
    value = TripletLoss(None)(embeddings, torch.tensor([0, 0, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_supcon_equals_the_loop(temperature: float, seed: int) -> None:
    embeddings, labels = batch(seed=seed)
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    values = []
    for a in range(len(labels)):
        others = [i for i in range(len(labels)) if i != a]
        positives = [i for i in others if labels[i] == labels[a]]
        total = sum(float((unit[a] @ unit[i] / temperature).exp()) for i in others)
        if positives:
            logs = [float(unit[a] @ unit[p] / temperature) - float(torch.tensor(total).log()) for p in positives]
            values.append(-sum(logs) / len(positives))
    found = SupConLoss(temperature)(embeddings, labels).item()
    assert found == pytest.approx(sum(values) / len(values), rel=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: TripletLoss(-0.1), "margin is -0.1; it must be 0 or more, or None for the soft form"),
    (lambda: TripletLoss(float("nan")), "margin is nan"),
    (lambda: SupConLoss(0), "temperature is 0; it must be above 0"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


# -- promises of every loss, present and future ------------------------------------------------------------------------


def test_there_are_losses() -> None:
    assert {"TripletLoss", "SupConLoss"} <= set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_a_scalar_with_finite_gradient_and_typed_stats(name: str) -> None:
    embeddings, labels = batch()
    embeddings.requires_grad_()
    loss = make(name)
    value = loss(embeddings, labels)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(embeddings.grad).all()
    assert embeddings.grad.abs().sum() > 0
    assert loss.stats
    assert all(isinstance(number, float) for number in loss.stats.values())


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    embeddings, labels = batch()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(5))
    loss = make(name)
    assert loss(embeddings[order], labels[order]).item() == pytest.approx(loss(embeddings, labels).item(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_right(name: str) -> None:
    embeddings, labels = batch(8, seed=3)
    loss = make(name).double()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), embeddings.double().requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]], ids=["one item", "one label", "all distinct"])
def test_a_degenerate_batch_is_finite_has_a_gradient_and_is_counted(name: str, labels: list[int]) -> None:
    embeddings = torch.randn(len(labels), DIM, requires_grad=True)
    loss = make(name)
    for _ in range(2):
        value = loss(embeddings, torch.tensor(labels))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(embeddings.grad).all()
    assert value.item() != 0 or loss.stats["empty_batches"] == 2


@pytest.mark.parametrize("name", LOSSES)
def test_equal_items_give_no_nan(name: str) -> None:
    embeddings = torch.ones(6, DIM, requires_grad=True)
    value = make(name)(embeddings, torch.tensor([0, 0, 1, 1, 2, 2]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_nan_is_refused_by_name(name: str) -> None:
    embeddings, labels = batch()
    embeddings[3, 1] = torch.nan
    with pytest.raises(BadInput, match="1 of 12 rows hold NaN or infinity"):
        make(name)(embeddings, labels)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_finite_and_close(name: str, kind: torch.dtype) -> None:
    embeddings, labels = batch()
    loss = make(name)
    wanted = loss(embeddings.to(kind).float(), labels).item()
    half = embeddings.to(kind).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, labels)
    value.backward()
    assert value.item() == pytest.approx(wanted, rel=2e-2)
    assert torch.isfinite(half.grad).all()

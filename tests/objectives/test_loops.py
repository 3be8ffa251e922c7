"""Objectives equal loops that one can check by eye, with ids that come twice, several views, and what Lightly lacks."""

import math
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.objectives import NNCLR, PCL, MoCo
from tests.objectives.toys_of_views import BATCH, WIDTH, made, views

IDS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 6])  # the last two are of one picture
IDS_APART = torch.arange(BATCH)


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def equal(ours: Tensor, wanted: Tensor, given: list[Tensor]) -> None:
    assert ours.item() == pytest.approx(wanted.item(), rel=1e-6)
    for one, two in zip(torch.autograd.grad(ours, given), torch.autograd.grad(wanted, given), strict=True):
        assert float((one - two).norm()) <= 1e-6 * float(two.norm())


def against(positive: Tensor, negatives: list[Tensor]) -> Tensor:
    """-log(e^p / (e^p + sum of e^n))."""
    return -(positive - torch.stack([positive, *negatives]).exp().sum().log())


@pytest.mark.parametrize("count", [2, 3])
def test_simclr(count: int) -> None:
    given = views(count)
    rows, values = [unit(view) for view in given], []
    for a in range(count):
        for i in range(BATCH):
            others = [rows[b][j] for b in range(count) for j in range(BATCH) if IDS[j] != IDS[i]]
            negatives = [rows[a][i] @ other / 0.1 for other in others]
            values += [against(rows[a][i] @ rows[b][i] / 0.1, negatives) for b in range(count) if b != a]
    objective = made("SimCLR")
    equal(objective(given, None, IDS), 2 * torch.stack(values).mean(), given)
    number = count * (BATCH - 1)
    assert objective.flat == pytest.approx(
        2 * (6 * math.log(1 + number) + 2 * math.log(1 + number - count)) / 8, rel=1e-6
    )


def test_moco_leaves_out_keys_of_the_same_picture() -> None:
    objective = made("MoCo", queue=2 * BATCH).double()
    assert isinstance(objective, MoCo)
    assert objective.queue_of_keys is not None
    old = views(2, seed=1)
    objective(old, [old[0].detach()], torch.arange(2, 2 + BATCH))
    queue, names = objective.queue_of_keys.bank.references()
    assert (names == -1).sum() == BATCH
    given = views(2)
    key = given[0].detach()
    rows, keys, values = unit(given[1]), unit(key), []
    for i in range(BATCH):
        negatives = [rows[i] @ queue[j] / 0.2 for j in range(len(queue)) if names[j] != IDS[i]]
        values.append(against(rows[i] @ keys[i] / 0.2, negatives))
    equal(objective(given, [key], IDS), torch.stack(values).mean(), given[1:])
    _, names = objective.queue_of_keys.bank.references()
    assert names[-BATCH:].equal(IDS)
    objective.eval()
    objective(given, [key], IDS + 50)
    assert objective.queue_of_keys.bank.references()[1].equal(names)  # measuring changes nothing


@pytest.mark.parametrize(("transformer", "temperature"), [(False, 1.0), (True, 0.2)])
def test_moco_of_version_three(transformer: bool, temperature: float) -> None:
    objective = made("MoCo", version=3, transformer=transformer).double()
    given, masters = views(2), [view.detach() for view in views(2, seed=1)]
    queries, keys, total = [unit(objective.predictor(view)) for view in given], [unit(view) for view in masters], 0
    for q, k in ((0, 1), (1, 0)):
        logits = queries[q] @ keys[k].T / temperature
        total = total + nn.functional.cross_entropy(logits, torch.arange(BATCH)) * 2 * temperature
    equal(objective(given, masters, IDS_APART), total, given)


def test_nnclr() -> None:
    objective = made("NNCLR", queue=2 * BATCH).double()
    assert isinstance(objective, NNCLR)
    old = views(2, seed=1)
    objective(old, None, torch.arange(2, 2 + BATCH))
    queue, names = objective.queue_of_keys.bank.references()
    given = views(2)
    predicted, total = [unit(objective.predictor(view)) for view in given], []
    for a, b in ((0, 1), (1, 0)):
        rows = unit(given[a].detach())
        for i in range(BATCH):
            free = [j for j in range(len(queue)) if names[j] != IDS[i]]
            neighbour = queue[max(free, key=lambda j: float(rows[i] @ queue[j]))]
            negatives = [neighbour @ predicted[b][j] / 0.1 for j in range(BATCH) if IDS[j] != IDS[i]]
            total.append(against(neighbour @ predicted[b][i] / 0.1, negatives))
    equal(objective(given, None, IDS), torch.stack(total).mean(), given)
    assert torch.allclose(objective.queue_of_keys.bank.references()[0][-BATCH:], unit(given[0].detach()))


def test_curl() -> None:
    objective = made("CURL").double()
    weight = objective.product.weight
    assert weight.min() >= 0
    assert weight.max() < 1
    given = views(2)
    key = given[0].detach()
    values = []
    for i in range(BATCH):
        negatives = [given[1][i] @ weight @ key[j] for j in range(BATCH) if IDS[j] != IDS[i]]
        values.append(against(given[1][i] @ weight @ key[i], negatives))
    equal(objective(given, [key], IDS), torch.stack(values).mean(), [given[1], weight])


def test_pcl() -> None:
    """InfoNCE as MoCo's, and for each granularity the cross-entropy over all prototypes with concentrations."""
    vectors, ids = views(1, batch=40, seed=3)[0].detach(), torch.arange(40).flip(0)
    objective, moco = made("PCL", prototypes=(2, 3)), made("MoCo", queue=10).double()
    assert isinstance(objective, PCL)
    objective.begin_epoch(vectors, ids)
    objective.double()
    given = views(2)
    key = given[0].detach()
    wanted, query = moco(given, [key], IDS), unit(given[1])
    for codes, loss in zip(objective._codes, objective._each(), strict=True):
        rows, phi, values = unit(vectors), loss.concentrations(), []
        for cluster, prototype in enumerate(loss.prototypes):
            mean = torch.stack([rows[i] for i in range(40) if codes[int(ids[i])] == cluster]).mean(dim=0)
            assert torch.allclose(prototype, mean / mean.norm(), atol=1e-6)
        for i in range(BATCH):
            logits = [query[i] @ prototype / phi[c] for c, prototype in enumerate(loss.prototypes)]
            own = int(codes[int(IDS[i])])
            values.append(against(logits[own], [each for c, each in enumerate(logits) if c != own]))
        wanted = wanted + torch.stack(values).mean() / 2
    equal(objective(given, [key], IDS), wanted, given[1:])
    apart = objective._codes
    objective.float().begin_epoch(
        vectors, ids // 2
    )  # bursts of two: one is where its first picture is, row 39 - (2 id + 1)
    assert torch.equal(objective._codes, apart[:, 1::2])


@pytest.mark.parametrize("name", ["BYOL", "VICReg", "BarlowTwins", "SimSiam"])
def test_with_three_views_the_value_is_the_mean_of_that_of_pairs(name: str) -> None:
    objective = made(name, momentum=0.9).double()
    given = views(3)
    masters = [view.detach() for view in views(3, seed=1)] if objective.teacher else [None] * 3
    pairs = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        teacher = [masters[a], masters[b]] if objective.teacher else None
        pairs.append(objective([given[a], given[b]], teacher, IDS))
    equal(objective(given, masters if objective.teacher else None, IDS), torch.stack(pairs).mean(), given)


AUTHORS: dict[str, dict[str, Any]] = {
    "SimCLR": {"temperature": 0.1, "dim": 128},
    "VICReg": {"invariance": 25, "variance": 25, "covariance": 1, "hidden": 8192, "dim": 8192},
    "BYOL": {"hidden": 4096, "dim": 256, "momentum": 0.996},
    "SimSiam": {"hidden": 512, "dim": 2048},
    "MoCo": {"queue": 65_536},
    "BarlowTwins": {"weight": 0.0051, "hidden": 8192, "dim": 8192},
    "NNCLR": {"temperature": 0.1, "hidden": 2048, "predictor_hidden": 4096, "dim": 256},
    "DINO": {"prototypes": 65_536, "temperature": 0.1, "teacher_temperature": 0.04, "centre_momentum": 0.9,
             "hidden": 2048, "bottleneck": 256, "momentum": 0.996},
    "SwAV": {"prototypes": 3000, "temperature": 0.1, "epsilon": 0.05, "rounds": 3, "hidden": 2048, "dim": 128},
    "PCL": {"prototypes": (25_000, 50_000, 100_000), "queue": 16_384, "temperature": 0.2, "momentum": 0.999},
    "CURL": {"dim": 50, "momentum": 0.95},
    "DenseCL": {"weight": 0.5, "queue": 65_536, "temperature": 0.2, "momentum": 0.999, "dim": 128},
    "IBOT": {"prototypes": 8192, "weight": 1, "masked": 0.5, "share": (0.1, 0.5), "patch_temperature": 0.07,
             "teacher_temperature": 0.04, "temperature": 0.1, "separate": False, "hidden": 2048, "bottleneck": 256},
    "MAE": {"share": 0.75, "hidden": 512, "depth": 8, "heads": 16, "scaled": True},
    "MSN": {"prototypes": 1024, "temperature": 0.1, "sharpening": 0.25, "weight": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(AUTHORS))
def test_defaults_are_the_authors(name: str) -> None:
    arguments = signature(catalog.find("objectives", name)).parameters
    assert {key: arguments[key].default for key in AUTHORS[name]} == AUTHORS[name]


def test_versions_of_moco() -> None:
    found = [made("MoCo", version=version, hidden=None, dim=None, queue=4) for version in (1, 2, 3)]
    assert [each.temperature for each in found] == [0.07, 0.2, 1.0]
    assert [each.momentum for each in found] == [0.999, 0.999, 0.99]
    assert [(each.hidden, each.dim) for each in found] == [(WIDTH, 128), (WIDTH, 128), (4096, 256)]
    assert [each.teacher_views for each in found] == [1, 1, None]
    assert [each.constant_momentum for each in found] == [True, True, False]

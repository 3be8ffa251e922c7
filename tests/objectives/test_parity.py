"""Values and gradients equal Lightly's losses and heads, in float64 with one forward pass per view."""

from collections.abc import Callable
from typing import Any

import lightly.loss as theirs
import pytest
import torch
from lightly.loss.swav_loss import sinkhorn as their_sinkhorn
from lightly.models.modules import heads
from torch import Tensor, nn

from omlzoo.objectives._assignment import sinkhorn
from tests.objectives.toys_of_views import BATCH, DIM, WIDTH, made, views

IDS = torch.arange(BATCH)


def twin(ours: nn.Module, their: nn.Module) -> nn.Module:
    """Their head with the weights of ours; a bias that only one of them has is 0 in both."""
    layers = [
        [each for each in head.double().modules() if isinstance(each, nn.Linear) and not hasattr(each, "weight_g")]
        for head in (ours, their)
    ]
    assert len(layers[0]) == len(layers[1]) > 0
    for mine, other in zip(*layers, strict=True):
        with torch.no_grad():
            other.weight.copy_(mine.weight)
            for one, two in ((mine, other), (other, mine)):
                if one.bias is not None and two.bias is None:
                    one.bias.zero_()
            if mine.bias is not None and other.bias is not None:
                other.bias.copy_(mine.bias)
    return their


def equal(ours: Tensor, their: Tensor, given: list[Tensor], *parameters: tuple[Tensor, Tensor]) -> None:
    """Equal values, and equal gradients with respect to what is given and to pairs of parameters."""
    assert ours.item() == pytest.approx(their.item(), rel=1e-6)
    mine = torch.autograd.grad(ours, [*given, *(one for one, _ in parameters)])
    others = torch.autograd.grad(their, [*given, *(two for _, two in parameters)])
    for one, two in zip(mine, others, strict=True):
        assert float((one - two).norm()) <= 1e-6 * float(two.norm())


def first(head: nn.Module) -> Tensor:
    weight: Tensor = next(each for each in head.modules() if isinstance(each, nn.Linear)).weight
    return weight


@pytest.mark.parametrize("version", [1, 2])
def test_simclr_is_twice_lightlys(version: int) -> None:
    objective = made("SimCLR", version=version)
    projector = objective.make_projector()
    their = twin(projector, heads.SimCLRProjectionHead(WIDTH, WIDTH, DIM, num_layers=version + 1))
    given = views(2, WIDTH)
    value = objective([projector(view) for view in given], None, IDS)
    wanted = theirs.NTXentLoss(0.1)(*(their(view) for view in given))
    equal(value, 2 * wanted, given, (first(projector), first(their)))


def test_vicreg() -> None:
    objective = made("VICReg")
    projector = objective.make_projector()
    their = twin(projector, heads.VICRegProjectionHead(WIDTH, 8, DIM))
    given = views(2, WIDTH)
    value = objective([projector(view) for view in given], None, IDS)
    equal(value, theirs.VICRegLoss()(*(their(view) for view in given)), given, (first(projector), first(their)))


def test_barlow_twins() -> None:
    objective = made("BarlowTwins")
    projector = objective.make_projector()
    their = twin(projector, heads.BarlowTwinsProjectionHead(WIDTH, 8, DIM))
    given = views(2, WIDTH)
    value = objective([projector(view) for view in given], None, IDS)
    wanted = theirs.BarlowTwinsLoss(0.0051)(*(their(view) for view in given))
    equal(value, wanted, given, (first(projector), first(their)))


def test_byol_is_four_and_four_times_lightlys_mean_of_directions() -> None:
    objective = made("BYOL").double()
    projector, master = objective.make_projector(), objective.make_projector()
    their, their_master = (twin(each, heads.BYOLProjectionHead(WIDTH, 8, DIM)) for each in (projector, master))
    predictor = twin(objective.predictor, heads.BYOLPredictionHead(DIM, 8, DIM))
    given = views(2, WIDTH)
    value = objective([projector(view) for view in given], [master(view) for view in given], IDS)
    fixed = [their_master(view).detach() for view in given]
    near = theirs.NegativeCosineSimilarity()
    mean = 0.5 * (near(predictor(their(given[0])), fixed[1]) + near(predictor(their(given[1])), fixed[0]))
    equal(value, 4 + 4 * mean, given, (first(projector), first(their)), (first(objective.predictor), first(predictor)))


def test_simsiam() -> None:
    objective = made("SimSiam").double()
    projector = objective.make_projector()
    their = twin(projector, heads.SimSiamProjectionHead(WIDTH, DIM, DIM))
    predictor = twin(objective.predictor, heads.SimSiamPredictionHead(DIM, 8, DIM))
    given = views(2, WIDTH)
    value = objective([projector(view) for view in given], None, IDS)
    rows, near = [their(view) for view in given], theirs.NegativeCosineSimilarity()
    mean = 0.5 * (near(predictor(rows[0]), rows[1].detach()) + near(predictor(rows[1]), rows[0].detach()))
    equal(value, mean, given, (first(projector), first(their)), (first(objective.predictor), first(predictor)))


@pytest.mark.parametrize("symmetric", [False, True])
def test_moco_over_steps(symmetric: bool) -> None:
    """Two batches of eight and a queue of sixteen: what the second one meets is half random and half of the first."""
    objective = made("MoCo", queue=2 * BATCH, symmetric=symmetric).double()
    projector, master = objective.make_projector(), objective.make_projector()
    their, their_master = (twin(each, heads.MoCoProjectionHead(WIDTH, 8, DIM)) for each in (projector, master))
    queue = objective.queue_of_keys.bank.embeddings.clone()
    for step in range(3):
        given = views(2, WIDTH, seed=step)
        ids = torch.arange(BATCH) + step * BATCH
        value = objective(
            [projector(view) for view in given], [master(view) for view in given][: objective.teacher_views], ids
        )
        rows = [their(view) for view in given]
        keys = [nn.functional.normalize(their_master(view).detach(), dim=1) for view in given]
        wanted = []
        for key in (0, 1) if symmetric else (0,):
            loss = theirs.NTXentLoss(0.2, memory_bank_size=(2 * BATCH, DIM))
            loss.memory_bank.bank = queue.clone()  # each direction meets the queue of the batches before
            wanted.append(loss(rows[1 - key], keys[key]))
        equal(value, torch.stack(wanted).mean(), given[0 if symmetric else 1 :], (first(projector), first(their)))
        for view in keys if symmetric else keys[:1]:
            queue = torch.cat([queue[BATCH:], view])


@pytest.mark.parametrize(("students", "masters"), [(2, 2), (5, 2), (4, 1)])
def test_dino_over_steps(students: int, masters: int) -> None:
    objective = made("DINO", views=masters, norm=True, teacher_temperature=0.06, warmup=10).double()
    loss = theirs.DINOLoss(output_dim=5, teacher_temp=0.06).double()
    projector, master = objective.make_projector(), objective.make_projector()
    pairs = []
    for each in (projector, master):
        their = twin(each, heads.DINOProjectionHead(WIDTH, 8, 4, 5, batch_norm=True).double())
        their.last_layer.weight_v.data.copy_(each.prototypes)
        pairs.append(their)
    for step in range(3):
        objective.begin_step(step, 40)
        given = views(students, WIDTH, seed=step)
        value = objective([projector(view) for view in given], [master(view) for view in given[:masters]], IDS)
        wanted = loss(
            [pairs[1](view).detach() for view in given[:masters]],
            [pairs[0](view) for view in given],
            teacher_temp=0.04 + 0.02 * step / 10,
        )
        both = (first(projector), first(pairs[0])), (projector.prototypes, pairs[0].last_layer.weight_v)
        equal(value, wanted, given, *both)
        assert torch.allclose(objective.centre, loss.center.flatten(), rtol=1e-12)


def test_koleo_is_the_sum_over_global_views() -> None:
    objective = made("DINO", koleo=0.1).double()
    plain = made("DINO").double()
    given = views(3, 5 + WIDTH)
    outputs = [view[:, :5] for view in given]
    value = objective(given, given[:2], IDS)
    spread = sum(theirs.KoLeoLoss()(view[:, 5:]) for view in given[:2])
    equal(value, plain(outputs, outputs[:2], IDS) + 0.1 * spread, given)
    assert objective.stats["koleo"] == pytest.approx(float(spread.detach()), rel=1e-6)


def test_koleo_of_copies_is_finite() -> None:
    objective = made("DINO", koleo=0.1)
    rows = torch.randn(BATCH, 5 + WIDTH)
    rows[1] = rows[0]
    ids = torch.tensor([0, 0, 2, 3, 4, 5, 6, 7])
    objective([rows, rows], [rows, rows], IDS)
    copied = objective.stats["koleo"]
    objective([rows, rows], [rows, rows], ids)
    assert objective.stats["koleo"] < copied - 2  # -log of nothing, for two rows of eight and two views


def test_dino_with_sinkhorn_over_all_views_of_the_teacher() -> None:
    objective = made("DINO", centring="sinkhorn").double()
    given, masters = views(3, 5), [view.detach() for view in views(2, 5, seed=1)]
    targets = their_sinkhorn(torch.cat(masters), 3, 0.04).split(BATCH)
    wanted = [
        -(targets[t] * (given[s] / 0.1).log_softmax(dim=1)).sum(dim=1).mean()
        for t in (0, 1)
        for s in range(3)
        if s != t
    ]
    equal(objective(given, masters, IDS), torch.stack(wanted).mean(), given)
    assert not objective.centre.any()


@pytest.mark.parametrize("rounds", [1, 3])
def test_sinkhorn(rounds: int) -> None:
    scores = torch.randn(9, 4, dtype=torch.float64)
    assert torch.allclose(sinkhorn(scores / 0.05, rounds), their_sinkhorn(scores, rounds, 0.05), rtol=1e-9)
    large = sinkhorn(1e4 * torch.randn(9, 4))  # its exponentials leave float32
    assert torch.allclose(large.sum(dim=1), torch.ones(9))


@pytest.mark.parametrize(("students", "queue"), [(2, 0), (5, 0), (3, 2 * BATCH)])
def test_swav(students: int, queue: int) -> None:
    objective = made("SwAV", queue=queue, held_steps=0, queue_from=0.0).double()
    projector = objective.make_projector()
    their = twin(projector, heads.SwaVProjectionHead(WIDTH, 8, DIM))
    prototypes = heads.SwaVPrototypes(DIM, 5).double()
    prototypes.heads[0].bias.data.zero_()  # the authors have none
    past: list[list[Tensor]] = [[], []]
    for step in range(4):
        objective.begin_step(step, 10)
        prototypes.heads[0].weight.data.copy_(objective.prototypes)
        given = views(students, WIDTH, seed=step)
        value = objective([projector(view) for view in given], None, IDS)
        rows = [nn.functional.normalize(their(view), dim=1) for view in given]
        full = queue > 0 and len(past[0]) * BATCH >= queue
        beside = [prototypes(torch.cat(each[-2:])) for each in past] if full else None
        scores = [prototypes(view) for view in rows]
        wanted = theirs.SwaVLoss()(scores[:2], scores[2:], beside)
        both = (first(projector), first(their)), (objective.prototypes, prototypes.heads[0].weight)
        equal(value, wanted.sum(), given, *both)
        assert objective.stats["queue"] == float(full)
        for each, view in zip(past, rows, strict=False):
            each.append(view.detach())


@pytest.mark.parametrize("settings", [{}, {"rounds": 0, "weight": 0.0}, {"sharpening": 0.5}], ids=str)
def test_msn(settings: dict[str, Any]) -> None:
    objective = made("MSN", **settings).double()
    projector, master = objective.make_projector(), objective.make_projector()
    their, their_master = (twin(each, heads.MSNProjectionHead(WIDTH, 8, DIM)) for each in (projector, master))
    loss = theirs.MSNLoss(
        sinkhorn_iterations=settings.get("rounds", 3), regularization_weight=settings.get("weight", 1.0)
    )
    prototypes = objective.prototypes.detach().clone().requires_grad_()
    given = views(4, WIDTH)
    value = objective([None, *(projector(view) for view in given[1:])], [master(given[0])], IDS)
    anchors = torch.cat([their(view) for view in given[1:]])
    wanted = loss(anchors, their_master(given[0]), prototypes, settings.get("sharpening", 0.25))
    equal(value, wanted, given[1:], (first(projector), first(their)), (objective.prototypes, prototypes))


def test_a_broken_twin_is_seen() -> None:
    """The comparison itself: another weight is another value."""
    objective: Callable[..., Tensor] = made("VICReg", covariance=1.001)
    given = views(2)
    with pytest.raises(AssertionError):
        equal(objective(given, None, IDS), theirs.VICRegLoss()(*given), given)

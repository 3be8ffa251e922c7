"""Every objective keeps the common promises."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from omlzoo import catalog, objectives
from omlzoo.errors import BadInput
from omlzoo.objectives import DINO, PCL, Objective, SimSiam, SwAV
from tests.objectives.toys_of_views import BATCH, DIM, NAMES, VARIANTS, WIDTH, columns, made, projected, views

IDS = torch.arange(BATCH)
EVERY = pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)


def call(
    objective: Objective,
    dtype: torch.dtype = torch.float32,
    batch: int = BATCH,
    ids: Tensor = IDS,
    seed: int = 0,
    scale: float = 1.0,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The value for two random views, and the views of student and teacher."""
    drawn = [(view.detach() * scale).to(dtype).requires_grad_() for view in views(4, columns(objective), batch, seed)]
    student, teacher = drawn[:2], drawn[2:][: objective.teacher_views]
    return objective(student, teacher if objective.teacher else None, ids[:batch]), student, teacher


def test_all_are_found() -> None:
    assert {
        "SimCLR",
        "VICReg",
        "BYOL",
        "SimSiam",
        "MoCo",
        "BarlowTwins",
        "NNCLR",
        "DINO",
        "SwAV",
        "PCL",
        "CURL",
        "MSN",
        "DenseCL",
        "IBOT",
        "MAE",
    } <= set(NAMES)
    assert objectives.Objective is Objective


@EVERY
def test_a_scalar_whose_gradient_reaches_all_but_the_teacher(name: str, settings: dict[str, Any]) -> None:
    objective = made(name, **settings)
    value, student, teacher = call(objective)
    value.backward()
    assert value.shape == ()
    assert value.dtype == torch.float32
    for view in student[objective.unseen :]:
        assert view.grad is not None
        assert float(view.grad.abs().sum()) > 0
    assert all(view.grad is None for view in teacher)
    for key, parameter in objective.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
    assert all(isinstance(number, float) for number in objective.stats.values())
    assert objective.flat is None or math.isfinite(objective.flat)


@EVERY
def test_the_state_goes_on_where_it_was(name: str, settings: dict[str, Any]) -> None:
    first, second = made(name, **settings), made(name, seed=1, **settings)
    for objective in (first, second):
        objective.begin_step(0, 10)
    call(first)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert call(first, seed=1)[0] == call(second, seed=1)[0]


@EVERY
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(name: str, settings: dict[str, Any], half: torch.dtype) -> None:
    objective = made(name, **settings)
    with torch.autocast("cpu", torch.bfloat16):
        value, student, _ = call(objective, half, scale=30.0)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert all(torch.isfinite(view.grad).all() for view in student[objective.unseen :])


@EVERY
@pytest.mark.parametrize("batch", [1, BATCH])
def test_one_picture_or_copies_of_one_give_a_finite_value(name: str, settings: dict[str, Any], batch: int) -> None:
    objective = made(name, **settings)
    value, student, _ = call(objective, batch=batch, ids=torch.full((BATCH,), 3))
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(view.grad).all() for view in student[objective.unseen :])
    if objective.at_least > batch:
        assert value == 0
        assert objective.stats == {"empty_batches": 1.0}


@EVERY
def test_the_order_of_the_batch_and_the_names_of_pictures_say_nothing(name: str, settings: dict[str, Any]) -> None:
    objective = made(name, **settings).double()
    state, order = copy.deepcopy(objective.state_dict()), torch.tensor([3, 0, 7, 1, 2, 6, 5, 4])
    ids = torch.tensor([0, 1, 2, 3, 4, 5, 5, 6])
    drawn = [view.detach() for view in views(4, columns(objective))]
    student, teacher = drawn[:2], drawn[2:][: objective.teacher_views]
    value = objective(student, teacher, ids)
    objective.load_state_dict(state)
    turned = objective([view[order] for view in student], [view[order] for view in teacher], ids[order])
    assert turned.item() == pytest.approx(value.item(), rel=1e-9)
    if name != "PCL":  # it looks the ids up
        objective.load_state_dict(state)
        assert objective(student, teacher, ids * 7 + 100).item() == pytest.approx(value.item(), rel=1e-9)


@EVERY
def test_views_that_the_student_need_not_see_may_be_none(name: str, settings: dict[str, Any]) -> None:
    objective = made(name, **settings)
    state = copy.deepcopy(objective.state_dict())
    value, student, teacher = call(objective)
    objective.load_state_dict(state)
    fewer = [None] * objective.unseen + student[objective.unseen :]
    assert objective(fewer, teacher, IDS) == value
    with pytest.raises(BadInput, match="views"):
        objective([*student[:1], None], teacher, IDS)


@EVERY
def test_settings_are_shown(name: str, settings: dict[str, Any]) -> None:
    text = repr(made(name, **settings))
    again = eval(text, catalog.names("objectives"))
    assert repr(again) == text
    assert all(f"{key}={value!r}" in text for key, value in settings.items())


@EVERY
def test_projectors_fit_and_are_drawn_anew(name: str, settings: dict[str, Any]) -> None:
    objective = made(name, **settings)
    first, second = objective.make_projector(), objective.make_projector()
    assert first is not None
    assert second is not None
    assert not set(map(id, first.parameters())) & set(map(id, [*second.parameters(), *objective.parameters()]))
    given = torch.randn(BATCH, WIDTH)
    student = [projected(objective, first, given), projected(objective, first, given + 1)]
    value = objective(student, [projected(objective, second, given)] * (objective.teacher_views or 2), IDS)
    value.backward()
    assert [key for key, each in first.named_parameters() if each.requires_grad and each.grad is None] == []
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(projected(objective, first, given)).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "NNCLR"])  # its predictor has an offset
def test_outputs_that_tell_nothing_apart_have_the_flat_value(name: str) -> None:
    objective = made(name)
    zeros = [torch.zeros(BATCH, columns(objective)) for _ in range(2)]
    value = objective(zeros, zeros[: objective.teacher_views], IDS)
    assert objective.flat is None or value.item() == pytest.approx(objective.flat, rel=1e-5)


@pytest.mark.parametrize("name", ["MoCo", "PCL", "CURL", "DenseCL"])
def test_rows_of_one_picture_are_no_negatives(name: str) -> None:
    """What a row of the same picture is, in the batch or in the queue, makes no difference to another row of it."""
    ids = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6])
    objective = made(name)
    drawn = views(4, columns(objective), dtype=torch.float32)
    objective(drawn[:2], drawn[2:3], ids)  # the queue knows all pictures now
    state = copy.deepcopy(objective.state_dict())
    values = []
    for push in (0.0, 1.0):
        objective.load_state_dict(state)
        first, second, key = [view.detach().clone() for view in drawn[:3]]
        for view in (first, second, key):
            view[1] += push * torch.arange(view.shape[1])
        second.requires_grad_()
        objective([first, second], [key], ids).backward()
        assert second.grad is not None
        values.append(second.grad[0])
    assert torch.allclose(values[0], values[1], atol=1e-6)


def test_dino_follows_its_schedules_by_step() -> None:
    objective = DINO(WIDTH, 5, teacher_temperature=0.07, warmup=40, held_steps=5, hidden=8, bottleneck=4)
    projector = objective.make_projector()
    assert projector is not None
    found = {}
    for step in (0, 4, 5, 20, 40, 399):
        objective.begin_step(step, 400)
        call(objective)
        found[step] = objective.stats["teacher_temperature"], len(objective.held(projector))
    assert {step: held for step, (_, held) in found.items()} == {0: 1, 4: 1, 5: 0, 20: 0, 40: 0, 399: 0}
    assert [round(warm, 5) for warm, _ in found.values()] == [0.04, 0.043, 0.04375, 0.055, 0.07, 0.07]
    objective.begin_step(4, 40)  # of a short run a tenth
    assert objective.held(projector) == []
    objective.begin_step(3, 40)
    assert objective.held(projector) == [projector.prototypes]


def test_swav_holds_and_scales_its_prototypes_and_fills_its_queue() -> None:
    objective = SwAV(WIDTH, 5, held_steps=2, queue=2 * BATCH, queue_from=0.5, hidden=8, dim=DIM)
    used = []
    for step in range(20):
        objective.prototypes.data.mul_(3)
        objective.begin_step(step, 20)
        assert torch.allclose(objective.prototypes.norm(dim=1), torch.ones(5))
        objective.prototypes.grad = None
        call(objective, seed=step)[0].backward()
        assert (objective.prototypes.grad is None) == (step < 2)
        used.append(objective.stats["queue"])
    assert used == [0.0] * 12 + [1.0] * 8  # from step 10 on it is filled, and full after two batches


def test_pcl_waits_for_its_warmup_and_keeps_its_prototypes_within_an_epoch() -> None:
    objective = PCL(WIDTH, prototypes=[3], queue=4, warmup=0.5, dim=DIM)
    vectors, ids = torch.randn(20, DIM), torch.arange(20)
    objective.begin_step(3, 10)
    objective.begin_epoch(vectors, ids)
    call(objective)
    assert "clusters" not in objective.stats
    objective.begin_step(4, 10)
    objective.begin_epoch(vectors, ids)
    objective.train()
    before = copy.deepcopy(objective.losses.state_dict())
    call(objective)
    assert objective.stats["clusters"] == 3
    assert all(torch.equal(before[key], value) for key, value in objective.losses.state_dict().items())
    call(objective, ids=torch.arange(100, 100 + BATCH))  # pictures that were not there
    assert "clusters" not in objective.stats


def test_what_the_optimizer_treats_apart() -> None:
    simsiam = made("SimSiam")
    assert isinstance(simsiam, SimSiam)
    assert simsiam.constant_rate() == list(simsiam.predictor.parameters())
    assert simsiam.without_decay() == []
    assert [each.ndim for each in made("BYOL").without_decay()] == [1, 1, 1]
    assert [tuple(each.shape) for each in made("SwAV").without_decay()] == [(5, DIM)]
    kinds = catalog.names("objectives")
    assert {name for name, kind in kinds.items() if kind.kept == "teacher"} == {"DINO", "IBOT", "MSN"}
    taught = {"BYOL", "CURL", "DINO", "DenseCL", "IBOT", "MSN", "MoCo", "PCL"}
    assert {name for name, kind in kinds.items() if kind.teacher} == taught
    assert {name for name in NAMES if made(name).constant_momentum} == {"CURL", "DenseCL", "MoCo", "PCL"}
    assert {name for name, kind in kinds.items() if not kind.can_collapse} == {"MAE"}

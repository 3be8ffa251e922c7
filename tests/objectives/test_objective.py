"""The base class: what it checks and converts, and that anyone may derive from it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.objectives import BYOL, PCL, Objective
from omlzoo.objectives._objective import ordered_pairs, ramp
from tests.objectives.toys_of_views import BATCH, DIM, WIDTH, made, views

IDS = torch.arange(BATCH)


def test_pairs_of_different_views_in_both_orders() -> None:
    assert ordered_pairs(2, 3) == [(0, 1), (0, 2), (1, 0), (1, 2)]


def test_a_ramp_is_straight_and_ends() -> None:
    assert [ramp(1.0, 3.0, step, 4) for step in (0, 1, 4, 9)] == [1.0, 1.5, 3.0, 3.0]
    assert ramp(1.0, 3.0, 0, 0) == 3.0


def test_what_nothing_can_be_learned_from_is_counted() -> None:
    objective = made("SimCLR")
    one = torch.ones(1, DIM, requires_grad=True)
    objective([one, one], None, IDS[:1]).backward()
    assert one.grad is not None
    assert not one.grad.any()
    assert objective.stats == {"empty_batches": 1.0}
    objective(views(2), None, IDS)
    assert objective.stats["empty_batches"] == 1.0
    assert len(objective.stats) > 1


def test_what_is_wrong_is_said() -> None:
    objective = made("BYOL")
    (one, two), rows = views(2, dtype=torch.float32), torch.arange(BATCH)
    for student, teacher, message in (
        ([one], [one], "called with 1 view of the student; give two or more"),
        ([one, two], None, "BYOL compares with a teacher"),
        ([one, two], [one, two, two], "3 views of the teacher and 2 of the student"),
        ([one, two[:, :3]], [one, two], "3 and 6 columns; make them equal"),
        ([one, two * torch.nan], [one, two], "the student's views"),
        ([one, two], [one, two * torch.inf], "the teacher's views"),
    ):
        with pytest.raises(BadInput, match=message):
            objective(student, teacher, rows)
    with pytest.raises(BadInput, match="width is 0"):
        BYOL(0)
    with pytest.raises(BadInput, match="version is 4; MoCo has 1, 2 and 3"):
        made("MoCo", version=4)
    with pytest.raises(
        BadInput,
        match=r"PCL has 9 prototypes for 17 pictures; give at most half as many, such as prototypes=\[2, 2, 2\]",
    ):
        PCL(WIDTH, prototypes=[9], queue=4, warmup=0.0, dim=DIM).begin_epoch(torch.randn(17, DIM), torch.arange(17))


def test_anyone_may_write_an_objective() -> None:
    class Near(Objective):
        def forward(self, student: Any, teacher: Any, ids: Tensor) -> Tensor:
            return nn.functional.mse_loss(student[0], student[1])

    one, two = views(2)
    assert Near(WIDTH)([one, two], None, IDS) == (one - two).square().mean()
    assert Near(WIDTH).make_projector() is None

"""One loop for every objective: a loss over embeddings, several views, a student and a teacher, no labels at all."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo.training.loop import train_epoch
from omlzoo.training.objective import Outputs, Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.teacher import Teacher

PLAIN: dict[str, Any] = {"optimizer": "SGD", "lr": 0.1, "weight_decay": 0.0, "warmup": 0.0, "schedule": "constant"}
VIEWS = [torch.randn(6, 5, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
LABELS, ROWS = torch.tensor([0, 0, 1, 1, 2, 2]), torch.arange(6)


def model() -> nn.Module:
    torch.manual_seed(2)
    return nn.Linear(5, 3)


class Agreement(nn.Module):
    """Two views of a picture should be alike; labels are not looked at."""

    def forward(self, outputs: Outputs) -> Tensor:
        assert outputs.teacher is None
        one, other = outputs.student
        return (one - other).square().sum(dim=1).mean()


class Imitation(nn.Module):
    """The student's first view should be what the teacher makes of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.stats: dict[str, float] = {}

    def forward(self, outputs: Outputs) -> Tensor:
        assert outputs.teacher is not None
        assert not outputs.teacher[1].requires_grad
        self.stats = {"rows": float(outputs.rows.sum())}
        return (outputs.student[0] - outputs.teacher[1]).square().sum(dim=1).mean()


def by_hand(student: nn.Module, value: Tensor) -> Tensor:
    """The weights after one step of SGD, whose first step Nesterov's momentum of 0.9 makes 1.9 times as long."""
    value.backward()
    return student.weight - 0.1 * 1.9 * student.weight.grad  # type: ignore[operator, return-value, union-attr]


@pytest.mark.parametrize("chunk", [0, 2, 4])
def test_an_objective_over_two_views_is_trained_by_the_same_step(chunk: int) -> None:
    trained, other = model(), model()
    work = Optimization(trained, Agreement(), Recipe(**PLAIN, chunk=chunk), 10, "fp32")
    value = work.batch(VIEWS, LABELS, ROWS, str)
    wanted = (other(VIEWS[0]) - other(VIEWS[1])).square().sum(dim=1).mean()
    assert value == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(trained.weight, by_hand(other, wanted), atol=1e-6)


@pytest.mark.parametrize("chunk", [0, 4])
def test_an_objective_with_a_teacher_trains_the_student_alone(chunk: int) -> None:
    trained, other, teacher = model(), model(), Teacher(nn.Linear(5, 3), 1.0, 10)
    before = copy.deepcopy(teacher.state_dict())
    work = Optimization(trained, Imitation(), Recipe(**PLAIN, chunk=chunk), 10, "fp32", teacher=teacher)
    work.batch(VIEWS, LABELS, ROWS, str)
    wanted = (other(VIEWS[0]) - teacher(VIEWS[1]).detach()).square().sum(dim=1).mean()
    assert torch.allclose(trained.weight, by_hand(other, wanted), atol=1e-6)
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())
    assert work.stats == {"rows": 15.0}


def test_the_loop_hands_views_to_the_objective_and_counts_its_statistics() -> None:
    work = Optimization(model(), Imitation(), Recipe(**PLAIN), 10, "fp32", teacher=Teacher(model(), 1.0, 10))
    batches = [(VIEWS[0], LABELS, ROWS, []), (VIEWS[0], LABELS, ROWS + 6, [])]
    summary = train_epoch(work, batches, lambda pixels: [pixels, pixels + 1])
    assert (summary.trained, summary.pictures) == (2, 12)
    assert summary.stats == {"rows": (15 + 51) / 2}


def test_supervised_is_its_loss_over_the_first_view() -> None:
    loss = nn.CrossEntropyLoss()
    outputs = Outputs([VIEWS[0], VIEWS[1]], None, LABELS, ROWS)
    assert Supervised(loss)(outputs) == loss(VIEWS[0], LABELS)
    assert Supervised(loss).stats == {}

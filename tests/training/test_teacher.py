"""The teacher follows as a loop says, without gradients, and is saved with the run."""

from math import cos, pi

import pytest
import torch
from torch import nn

from omlzoo.models._blank import Blank
from omlzoo.training.teacher import Teacher


def test_parameters_follow_with_the_momentum_of_the_step() -> None:
    torch.manual_seed(0)
    student = nn.Linear(3, 2)
    teacher = Teacher(student, 0.9, steps=4)
    wanted = student.weight.detach().clone()
    for step in range(4):
        with torch.no_grad():
            student.weight.add_(torch.randn(2, 3))
        teacher.follow(student, step)
        keep = 1 - 0.1 * (1 + cos(pi * step / 4)) / 2
        wanted = keep * wanted + (1 - keep) * student.weight.detach()
        torch.testing.assert_close(teacher.module.weight, wanted)
    assert teacher.momentum(0) == pytest.approx(0.9)
    assert teacher.momentum(4) == teacher.momentum(9) == 1.0
    assert Teacher(student, 0.9, 4, constant=True).momentum(3) == 0.9


def test_it_starts_equal_has_no_gradients_and_leaves_nothing_out() -> None:
    class Dropping(nn.Module):
        drop_prob = 0.5

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

    student = Dropping()
    teacher = Teacher(student, 0.99, 10)
    assert torch.equal(teacher.module.layer.weight, student.layer.weight)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert (teacher.module.drop_prob, student.drop_prob) == (0.0, 0.5)


def test_batch_norm_has_statistics_of_its_own() -> None:
    student = nn.Sequential(nn.BatchNorm1d(2))
    teacher = Teacher(student, 0.5, 10)
    teacher.train()
    teacher(torch.full((4, 2), 3.0) + torch.randn(4, 2))
    assert float(teacher.module[0].running_mean.mean()) > 0.1
    assert float(student[0].running_mean.abs().max()) == 0.0
    teacher.follow(student, 0)
    assert float(teacher.module[0].running_mean.mean()) > 0.1, "statistics are not averaged with the student's"


def test_its_parts_are_in_the_mode_of_the_students() -> None:
    student = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    teacher = Teacher(student.eval(), 0.5, 10)
    student.train()
    student[0].eval()  # a frozen stage
    teacher.in_mode_of(student)
    assert [part.training for part in teacher.module] == [False, True]


def test_a_blank_model_can_be_followed() -> None:
    with Blank():
        student = nn.Linear(2, 2)
    assert len(list(Teacher(student, 0.9, 2).parameters())) == 2

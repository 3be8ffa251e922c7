"""What DINO and iBOT share, in loops and closed forms."""

import pytest
import torch
from torch import nn

from omlzoo.objectives import _self_distillation as shared

VIEWS = [torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


def test_cross_entropy_is_the_mean_over_pairs_of_other_views() -> None:
    targets, guesses = [view.softmax(dim=1) for view in VIEWS[:2]], [view.log_softmax(dim=1) for view in VIEWS]
    values = [-(targets[t][i] * guesses[g][i]).sum() for t in (0, 1) for g in (0, 1, 2) if t != g for i in range(4)]
    assert shared.cross_entropy_of_views(targets, guesses).item() == pytest.approx(float(sum(values)) / len(values))


def test_shares_of_the_teacher() -> None:
    centre = torch.tensor([1.0, 0.0, -1.0])
    one, _ = shared.teacher_shares(VIEWS[:2], 0.5, centre, "centre")
    assert torch.allclose(one, ((VIEWS[0] - centre) / 0.5).softmax(dim=1))
    both = torch.cat(shared.teacher_shares(VIEWS[:2], 0.5, centre, "sinkhorn"))
    assert torch.allclose(both.sum(dim=1), torch.ones(8))
    assert torch.allclose(both.sum(dim=0), torch.full((3,), 8 / 3), atol=0.1)


def test_a_centre_follows_the_mean() -> None:
    centre = torch.tensor([1.0, 1.0, 1.0])
    shared.follow(centre, VIEWS[0], 0.75)
    assert torch.allclose(centre, 0.75 + 0.25 * VIEWS[0].mean(dim=0))


def test_schedules_are_steps_and_at_most_a_share_of_the_run() -> None:
    assert shared.warm(0.04, 0.07, 50, 1000, 100) == pytest.approx(0.055)
    assert shared.warm(0.04, 0.07, 15, 100, 100) == pytest.approx(0.055)  # over 30 steps
    assert [shared.held_now(step, 100, 50) for step in (9, 10)] == [True, False]
    assert [shared.held_now(step, 1000, 50) for step in (49, 50)] == [True, False]


def test_koleo_is_minus_the_logarithm_of_the_distance_to_the_nearest_other_picture() -> None:
    rows, ids = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0, 1])
    apart = -0.5 * torch.log(torch.tensor(2.0))
    assert shared.koleo([rows, rows], ids).item() == pytest.approx(2 * float(apart), rel=1e-5)
    assert shared.koleo([rows], torch.zeros(3)) == 0


def test_the_last_layers_of_a_projector() -> None:
    head = nn.ParameterDict({"prototypes": nn.Parameter(torch.ones(2)), "weight": nn.Parameter(torch.ones(2))})
    assert [each is head["prototypes"] for each in shared.last_layers(head)] == [True]

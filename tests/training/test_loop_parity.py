"""Fifty steps of our loop and of a plain loop over Lightly's parts, from one state and over the same views."""

import copy
from collections.abc import Iterator
from typing import Any

import lightly.loss as theirs
import pytest
import torch
from lightly.models.modules import heads
from lightly.models.utils import update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn
from toys import toy

from omlzoo.objectives import BYOL, DINO, Objective, SimCLR
from omlzoo.training.objective import OverViews
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.teacher import Teacher
from omlzoo.training.training_model import TrainingModel

STEPS, BATCH, DIM, HIDDEN, OUT, K = 50, 24, 16, 32, 16, 24
RATE = 0.01  # and a smooth body: what rounding changes must not grow in fifty steps
PLAIN: dict[str, Any] = {"optimizer": "SGD", "lr": RATE, "weight_decay": 0.0, "warmup": 0.0, "schedule": "constant"}


def batches(kind: torch.dtype) -> Iterator[list[Tensor]]:
    """Two views of pictures of 48, the views being noise on them."""
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randn(48, 3, 32, 32, generator=draw)
    for _ in range(STEPS):
        rows = torch.randperm(48, generator=draw)[:BATCH]
        yield [(pictures[rows] + 0.5 * torch.randn(BATCH, 3, 32, 32, generator=draw)).to(kind) for _ in range(2)]


def twin(ours: nn.Module, their: nn.Module) -> nn.Module:
    """Their head with the weights of ours; an offset that only one of them has is 0 and is not trained."""
    mine, others = (
        [each for each in head.modules() if isinstance(each, nn.Linear) and not hasattr(each, "weight_g")]
        for head in (ours, their)
    )
    for one, two in zip(mine, others, strict=True):
        with torch.no_grad():
            two.weight.copy_(one.weight)
            if one.bias is not None and two.bias is not None:
                two.bias.copy_(one.bias)
            for has, lacks in ((one, two), (two, one)):
                if has.bias is not None and lacks.bias is None:
                    has.bias.zero_().requires_grad_(False)
    return their


def our_losses(objective: Objective, model: TrainingModel, kind: torch.dtype) -> list[float]:
    model.train()
    teacher = None
    if objective.teacher:
        teacher = Teacher(model, objective.momentum, STEPS)
        teacher.in_mode_of(model)
    work = Optimization(model, OverViews(objective.to(kind).train()), Recipe(**PLAIN), STEPS, "fp32", teacher)
    return [work.batch(views, torch.arange(BATCH), torch.arange(BATCH), str) for views in batches(kind)]


def sgd(*parts: nn.Module) -> torch.optim.SGD:
    trained = [each for part in parts for each in part.parameters() if each.requires_grad]
    return torch.optim.SGD(trained, lr=RATE, momentum=0.9, nesterov=True)


def momentum(step: int) -> float:
    return cosine_schedule(step, STEPS + 1, 0.9, 1.0)


def begun(objective: Objective, their: nn.Module, kind: torch.dtype) -> tuple[TrainingModel, nn.Sequential]:
    """Our model with a projector, and theirs with the same weights."""
    body, projector = toy("vit_toy"), objective.make_projector()
    assert projector is not None
    their = twin(projector, their)
    return TrainingModel(body, projector).to(kind), nn.Sequential(copy.deepcopy(body), their).to(kind).train()


def simclr(kind: torch.dtype) -> tuple[list[float], list[float]]:
    """In float64 alone: in float32 rounding before the head's batch norms grows to a tenth of the loss by itself."""
    objective = SimCLR(DIM, dim=OUT, temperature=0.2)
    ours, model = begun(objective, heads.SimCLRProjectionHead(DIM, DIM, OUT, num_layers=3), kind)
    last = [each for each in model[1].modules() if isinstance(each, nn.BatchNorm1d)][-1]
    last.bias.requires_grad_(False)  # ours has no offset, as the authors'
    optimizer, loss, found = sgd(model), theirs.NTXentLoss(0.2), []
    for views in batches(kind):
        value = 2 * loss(*(model(view) for view in views))  # the authors' sum of both directions
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        found.append(value.item())
    return our_losses(objective, ours, kind), found


def byol(kind: torch.dtype) -> tuple[list[float], list[float]]:
    objective = BYOL(DIM, hidden=HIDDEN, dim=OUT, momentum=0.9)
    ours, model = begun(objective, heads.BYOLProjectionHead(DIM, HIDDEN, OUT), kind)
    predictor = twin(objective.predictor, heads.BYOLPredictionHead(OUT, HIDDEN, OUT)).to(kind).train()
    master = copy.deepcopy(model).requires_grad_(False)
    optimizer, near, found = sgd(model, predictor), theirs.NegativeCosineSimilarity(), []
    for step, views in enumerate(batches(kind)):
        guesses, targets = [predictor(model(view)) for view in views], [master(view) for view in views]
        value = 4 + 2 * (near(guesses[0], targets[1]) + near(guesses[1], targets[0]))  # the authors' 2 - 2 cosines
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        update_momentum(model, master, momentum(step))
        found.append(value.item())
    return our_losses(objective, ours, kind), found


def dino(kind: torch.dtype) -> tuple[list[float], list[float]]:
    objective = DINO(DIM, K, hidden=HIDDEN, bottleneck=OUT, momentum=0.9, teacher_temperature=0.06)
    their = heads.DINOProjectionHead(DIM, HIDDEN, OUT, K)
    ours, model = begun(objective, their, kind)
    with torch.no_grad():
        model[1].last_layer.weight_v.copy_(ours.head.prototypes)
    master = nn.Sequential(copy.deepcopy(model[0]), heads.DINOProjectionHead(DIM, HIDDEN, OUT, K)).to(kind).train()
    master.requires_grad_(False).load_state_dict(model.state_dict())  # what has weight norm cannot be copied
    optimizer, loss, found = sgd(model), theirs.DINOLoss(output_dim=K).to(kind), []
    for step, views in enumerate(batches(kind)):
        warm = 0.04 + 0.02 * min(1, step / 15)  # three tenths of the run
        value = loss([master(view) for view in views], [model(view) for view in views], teacher_temp=warm)
        optimizer.zero_grad()
        value.backward()
        if step < 5:  # a tenth
            for parameter in model[1].last_layer.parameters():
                parameter.grad = None
        optimizer.step()
        update_momentum(model, master, momentum(step))
        found.append(value.item())
    return our_losses(objective, ours, kind), found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize(("compare", "kind", "apart"), [
    (simclr, torch.float64, 1e-6), (byol, torch.float64, 1e-6), (dino, torch.float64, 1e-6),
    (byol, torch.float32, 1e-4), (dino, torch.float32, 1e-4),
], ids=str)  # fmt: skip
def test_fifty_steps_have_the_losses_of_lightlys_loop(compare: Any, kind: torch.dtype, apart: float) -> None:
    torch.manual_seed(0)
    ours, found = compare(kind)
    assert ours == pytest.approx(found, rel=apart)
    assert len(ours) == STEPS
    assert max(ours) - min(ours) > 0.1, "the models move"

"""The cost of a step is that of a closed form for two matrices, and counting it changes nothing of the run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import PREPROCESS, toy

import omlzoo
from omlzoo.data import table
from omlzoo.data.dataset import ImageTable
from omlzoo.errors import OmlzooWarning
from omlzoo.training.building import RunParts, build_run
from omlzoo.training.recipe import Recipe
from omlzoo.training.rehearsal import cost_facts
from omlzoo.training.step_cost import StepCost, step_cost

PIXELS, HIDDEN, DIM = 3 * 32 * 32, 16, 4
SETTINGS: dict[str, Any] = {"n_labels": 4, "n_instances": 2, "augment": "none", "precision": "fp32", "log": "none"}


class TwoMatrices(nn.Module):
    """Pixels to a hidden layer to the embedding, without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(PIXELS, HIDDEN, bias=False), nn.Linear(HIDDEN, DIM, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.second(torch.relu(self.first(images.flatten(1))))
        return vectors


def built(drawn: Path, tmp_path: Path, **settings: Any) -> RunParts:
    model = omlzoo.wrap(TwoMatrices(), dim=DIM, preprocess=PREPROCESS)
    return build_run(model, table.read(drawn, "train"), Recipe(**SETTINGS | settings), tmp_path / "run", "cpu")


FORWARD = 2 * (PIXELS * HIDDEN + HIDDEN * DIM)
BACKWARD = FORWARD + 2 * HIDDEN * DIM  # of both matrices, and of the hidden layer; pixels have no gradient
WEIGHTS, KEPT = 4 * (PIXELS * HIDDEN + HIDDEN * DIM), 4 * (PIXELS + HIDDEN)  # bytes


@pytest.mark.parametrize(("settings", "flops", "memory"), [
    ({}, 8 * (FORWARD + BACKWARD), 4 * WEIGHTS + 8 * KEPT),  # weights, gradients, two moments of AdamW
    ({"optimizer": "SGD", "ema": 0.9}, 8 * (FORWARD + BACKWARD), 4 * WEIGHTS + 8 * KEPT),
    ({"chunk": 4}, 8 * (2 * FORWARD + BACKWARD), 4 * WEIGHTS + 4 * KEPT),
])  # fmt: skip
def test_it_equals_the_closed_form(
    drawn: Path, tmp_path: Path, settings: dict[str, Any], flops: int, memory: int
) -> None:
    parts = built(drawn, tmp_path, **settings)
    parameters = PIXELS * HIDDEN + HIDDEN * DIM
    assert step_cost(parts) == StepCost(8, parameters, parameters, flops, memory)


def test_counting_changes_nothing(drawn: Path, tmp_path: Path) -> None:
    rows = table.read(drawn, "train")
    parts = build_run(toy("resnet_toy"), rows, Recipe(**SETTINGS, freeze=1), tmp_path / "run", "cpu")
    before = {name: value.clone() for name, value in parts.model.state_dict().items()}
    state = torch.get_rng_state()
    cost = step_cost(parts)
    assert cost is not None
    assert 0 < cost.trained < cost.parameters, "a stage is frozen"
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in parts.model.state_dict().items())
    assert all(p.grad is None for p in parts.model.parameters())
    facts = cost_facts(parts, rehearsed=False)
    assert facts == {"cost of a step": str(cost)}
    assert str(StepCost(32, 25_557_032, 1_000, 123_456_000_000, 2 * 10**9)) == (
        "32 pictures, 123.5 GFLOPs, 25.56 million parameters, 0.00 trained, 2.00 GB")  # fmt: skip


@pytest.mark.parametrize(("error", "said"), [
    (RuntimeError("no kernel\nat all"), "no kernel"), (NotImplementedError(), "NotImplementedError"),
])  # fmt: skip
def test_what_cannot_be_counted_is_said_and_nothing_readable_is_none(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    parts = built(drawn, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(TwoMatrices, "forward", lambda *_: (_ for _ in ()).throw(error))
        with pytest.warns(OmlzooWarning, match=f"a step costs is not known.*: {said}$"):
            cost = step_cost(parts)
    assert cost is None
    monkeypatch.setattr(ImageTable, "__getitem__", lambda *_: (None, 0, 0, "broken"))
    assert step_cost(replace(parts)) is None

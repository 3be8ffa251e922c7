"""What is watched without labels, and what counts as a collapse."""

import math
from pathlib import Path

import pytest
import torch
from toys import toy

from omlzoo.data import table
from omlzoo.data.transforms import Transform
from omlzoo.training.monitors import collapse, make_monitor
from omlzoo.training.recipe import Recipe
from omlzoo.training.validation import Probe

WELL = {"loss": 3.0, "std": 0.5, "spread": 0.7, "rank": 40.0}


def test_a_healthy_run_raises_no_alarm() -> None:
    history: list[dict[str, float]] = []
    for epoch in range(20):
        now = WELL | {"loss": 3.0 - epoch * 0.1, "rank": 60.0 - epoch * 1.5}  # a rank that falls to a half is usual
        assert collapse(history, now, math.log(128), warming=2) is None
        history.append(now)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"std": 0.001}, "nearly the same vector"),
        ({"spread": 0.01}, "nearly the same vector"),
        ({"rank": 5.0}, "their rank fell from 40 to 5"),
    ],
)
def test_what_happened_is_named_with_a_remedy(change: dict[str, float], said: str) -> None:
    found = collapse([WELL], WELL | change, None, warming=0)
    assert found is not None
    assert said in found
    assert "Lower lr" in found


def test_a_loss_that_stays_flat_is_an_alarm_after_the_rise_of_the_learning_rate() -> None:
    flat = math.log(1024)
    stuck = WELL | {"loss": flat * 0.999}
    assert collapse([], stuck, flat, warming=1) is None
    assert collapse([stuck], stuck, flat, warming=3) is None
    found = collapse([stuck, stuck, stuck], stuck, flat, warming=3)
    assert found is not None
    assert f"the loss stays at {flat * 0.999:.3f}" in found
    assert collapse([stuck, WELL], stuck, flat, warming=1) is None, "it moved"
    assert collapse([stuck, stuck], stuck, None, warming=0) is None, "no value is known to be flat"


def test_measures_are_those_of_the_pictures_and_the_same_each_time(drawn: Path) -> None:
    rows = table.read(drawn, "embed")
    rows = type(rows)(rows.frame.assign(label=range(len(rows))), rows.root, rows.name)
    model = toy("resnet_toy")
    probe = Probe("map@r", "fp32", torch.device("cpu"))
    monitor = make_monitor(rows, Recipe(views="drawing"), probe, Transform(model.entry.preprocess))
    found = monitor.measure(model)
    assert set(found) == {"std", "rank", "alignment", "uniformity", "lidar"}
    assert found == monitor.measure(model)
    assert 1 <= found["rank"] <= model.dim
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        list(model.parameters())[-1].fill_(1.0)
    equal = monitor.measure(model)
    assert equal["std"] == pytest.approx(0.0, abs=1e-6)
    assert equal["rank"] == pytest.approx(1.0, abs=1e-3) or math.isnan(equal["rank"])

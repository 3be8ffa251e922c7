"""The range test trains a copy by a rising rate, ends where the loss diverges, and suggests a rate that is lower."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor
from omlzoo.training import lr_range_test
from omlzoo.training.rate_range import suggested_rate

QUICK: dict[str, Any] = {
    "n_labels": 4, "n_instances": 4, "augment": "none", "precision": "fp32", "workers": 0, "progress": False,
    "loss": "InstanceLoss", "optimizer": "SGD",
}  # fmt: skip


def test_rates_rise_by_a_factor_and_the_model_stays(drawn: Path, model: Extractor) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    found = lr_range_test(model, drawn, low=1e-4, high=1e2, steps=40, **QUICK)
    rates = found.curve["lr"]
    assert rates.iloc[0] == pytest.approx(1e-4)
    assert (rates.iloc[1:].to_numpy() / rates.iloc[:-1].to_numpy()).tolist() == pytest.approx(
        [10 ** (6 / 39)] * (len(rates) - 1)
    )
    mean, total = 0.0, 0.0
    for number, row in enumerate(found.curve.itertuples(), 1):
        mean, total = 0.9 * mean + 0.1 * row.loss, 0.9 * total + 0.1
        assert row.smoothed == pytest.approx(mean / total), number
    assert found.lr is not None
    assert 1e-3 < found.lr < 1
    assert found.curve["loss"].iloc[-1] > 4 * found.curve["loss"].iloc[0], "it ends where it diverges"
    assert len(rates) < 40
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    again = lr_range_test(model, drawn, low=1e-4, high=1e2, steps=40, **QUICK)
    pd.testing.assert_frame_equal(found.curve, again.curve, check_exact=True)


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_least_loss() -> None:
    rates = [10.0**power for power in range(-12, 3)]
    losses = {"valley": [5.0] * 11 + [4, 3, 4, 9], "falling": range(15, 0, -1), "rising": range(15), "flat": [1.0] * 15}
    found = {name: suggested_rate(pd.DataFrame({"lr": rates, "loss": each, "smoothed": each}))
             for name, each in losses.items()}  # fmt: skip
    assert found == {"valley": pytest.approx(1e-1), "falling": None, "rising": None, "flat": None}
    assert suggested_rate(pd.DataFrame({"lr": [1.0], "loss": [1.0], "smoothed": [1.0]})) is None


def test_a_loss_that_never_falls_is_said(drawn: Path, model: Extractor) -> None:
    with pytest.warns(OmlzooWarning, match="between the learning rates 100 and .* the loss never fell"):
        found = lr_range_test(model, drawn, low=1e2, high=1e9, steps=20, **QUICK)
    assert found.lr is None


@pytest.mark.parametrize(("settings", "message"), [
    ({"low": 0.0}, "low 0.0, high 1.0, steps 100: give 0 < low < high and 20 steps or more"), ({"steps": 5}, "steps 5"),
    ({"epochs": 0}, "epochs is 0"), ({"objective": "SimCLR"}, "finetune has no use for it"),
])  # fmt: skip
def test_settings_are_checked(drawn: Path, model: Extractor, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        lr_range_test(model, drawn, **QUICK | settings)

"""A rehearsal says what a run will take, and changes nothing of it."""

from pathlib import Path

import torch
from toys import toy

from omlzoo.data import table
from omlzoo.training.building import build_run
from omlzoo.training.recipe import Recipe
from omlzoo.training.rehearsal import Estimate, rehearse


def test_nothing_of_the_run_changes(drawn: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        epochs=20, n_labels=4, n_instances=2, augment="none", precision="fp32", log="none", selection=0, ema=0.9
    )
    parts = build_run(toy("resnet_toy"), table.read(drawn, "train"), recipe, tmp_path / "run", "cpu")
    before = {name: value.clone() for name, value in parts.model.state_dict().items()}
    drawn_before = torch.get_rng_state()
    found = rehearse(parts, steps=6)
    assert found is not None
    assert 0 < found.seconds < 600
    assert 10**8 < found.memory < 10**11
    assert torch.equal(drawn_before, torch.get_rng_state())
    assert parts.step.steps == 0
    assert all(torch.equal(value, before[name]) for name, value in parts.model.state_dict().items())
    assert not parts.step.optimizer.state


def test_a_short_run_is_not_worth_one(drawn: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, n_labels=4, n_instances=2, augment="none", precision="fp32", log="none", selection=0)
    parts = build_run(toy("resnet_toy"), table.read(drawn, "train"), recipe, tmp_path / "run", "cpu")
    assert rehearse(parts) is None


def test_times_are_said_in_words() -> None:
    assert str(Estimate(600, 2_000_000_000)) == "about 10 minutes, 2.0 GB of memory"
    assert str(Estimate(3 * 3600, 500_000_000)) == "about 3.0 hours, 0.5 GB of memory"
    assert str(Estimate(30, 10**8)) == "less than a minute, 0.1 GB of memory"

"""The precision of a run: asked for, kept, or rehearsed; the same wherever it goes on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.data.table import read
from omlzoo.embedding.rehearsal import Choice, Rehearsed
from omlzoo.errors import OmlzooWarning
from omlzoo.training import precision, state
from omlzoo.training.precision import decide_precision
from omlzoo.training.recipe import Recipe

CPU = torch.device("cpu")
SHORT: dict[str, Any] = {"epochs": 1, "n_labels": 4, "n_instances": 2, "augment": "none", "log": "none", "workers": 0}


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Rehearsals of a machine that has bfloat16; they take it."""
    seen: list[Any] = []

    def rehearse(ways: dict[Choice, Any], pixels: Sequence[Any], device: torch.device) -> Rehearsed:
        seen.append({way: compute(pixels) for way, compute in ways.items()})
        return Rehearsed(Choice("torch", "bf16"), {}, {})

    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(precision, "rehearse", rehearse)
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    monkeypatch.setattr(precision, "multiplies_bf16", lambda device: False)
    monkeypatch.setattr(precision, "may_rehearse", lambda count: True)
    return seen


def test_steps_are_rehearsed_once_and_the_model_stays_as_it_is(seen: list[Any], drawn: Path, tmp_path: Path) -> None:
    body, rows = toy("vit_toy").train(), read(drawn, "train")
    before = {name: value.clone() for name, value in body.state_dict().items()}
    state_of_random = torch.get_rng_state()
    recipe = Recipe(freeze=1)
    with pytest.warns(OmlzooWarning, match="training was rehearsed on 16 pictures, bf16 by torch is taken"):
        assert decide_precision(body, recipe, rows, CPU, tmp_path / "none").precision == "bf16"
    exact, half = seen[0].values()
    assert exact.shape == (16, 16)
    assert 0 < abs(half - exact).max() < 0.1 * abs(exact).max()
    assert all(torch.equal(value, before[name]) for name, value in body.state_dict().items())
    assert body.training
    assert all(part.requires_grad and part.grad is None for part in body.parameters())
    assert torch.equal(torch.get_rng_state(), state_of_random)
    assert decide_precision(body, recipe, rows, CPU, tmp_path / "none").precision == "bf16"
    assert decide_precision(body, Recipe(precision="fp32"), rows, CPU, tmp_path / "none").precision == "fp32"
    assert len(seen) == 1


def test_without_bf16_there_is_none(
    seen: list[Any], drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    found = decide_precision(toy("vit_toy"), Recipe(), read(drawn, "train"), CPU, tmp_path / "none")
    assert (found.precision, seen) == ("fp32", [])


def test_the_run_its_state_and_its_recipe_keep_what_was_decided(
    seen: list[Any], drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = toy("vit_toy"), tmp_path / "run"
    write = state.write

    def killed(*given: Any) -> None:
        write(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(state, "write", killed)
        with pytest.raises(KeyboardInterrupt), pytest.warns(OmlzooWarning):
            omlzoo.finetune(model, drawn, out=out, progress=False, **SHORT)
    assert state.kept_precision(out / "last.ckpt") == "bf16"
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "other machine"))
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    run = omlzoo.finetune(model, drawn, out=out, resume=True, progress=False, **SHORT)
    assert run.report.facts["trained in"] == run.report.facts["precision"] == "bf16"
    assert Recipe.read(out / "recipe.toml").precision == "bf16"
    with pytest.warns(OmlzooWarning, match="finished already"):
        omlzoo.finetune(model, drawn, out=out, resume=True, progress=False, **SHORT)
    with pytest.raises(omlzoo.errors.BadInput, match=r'precision = "bf16" there, precision = "fp32" here'):
        omlzoo.finetune(model, drawn, out=out, resume=True, progress=False, precision="fp32", **SHORT)
    assert len(seen) == 1


def test_states_of_earlier_versions_have_none(tmp_path: Path) -> None:
    torch.save({"format": 2}, tmp_path / "last.ckpt")
    assert state.kept_precision(tmp_path / "last.ckpt") is None
    assert replace(Recipe(), precision="bf16") == Recipe(precision="bf16")

"""A file is read with the keys of the zoo or in a layout that is named; anything else is one line."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import omlzoo
from omlzoo.errors import BadInput, OmlzooWarning, WeightsMismatch
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.foreign_file import read_foreign


def test_our_own_keys_are_taken_as_they_are(model: Extractor, tmp_path: Path) -> None:
    state = model.state_dict()
    save_file(state, tmp_path / "ours.safetensors")
    found = read_foreign(tmp_path / "ours.safetensors", model.entry, state)
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_timms_keys_are_taken_for_its_bodies_and_the_classifier_is_named(tmp_path: Path) -> None:
    body = omlzoo.get_model("timm:mobilenetv3_small_050", weights=None)
    state = {key.partition(".")[2]: value for key, value in body.state_dict().items()}
    if not any(key.startswith("conv_stem") for key in state):
        state = dict(body.state_dict())
    torch.save({"state_dict": {**state, "classifier.weight": torch.zeros(10, 4)}}, tmp_path / "theirs.pth")
    with pytest.warns(OmlzooWarning, match="was read in the layout timm; left out: classifier.weight"):
        found = read_foreign(tmp_path / "theirs.pth", body.entry, body.state_dict())
    assert found.keys() == body.state_dict().keys()


def test_what_is_not_there_or_in_no_layout_is_one_line(model: Extractor, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        read_foreign(tmp_path / "gone.pth", model.entry, model.state_dict())
    save_file({"a": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsMismatch):
        read_foreign(tmp_path / "odd.safetensors", model.entry, model.state_dict())
    save_file(
        {
            key: torch.full_like(value, float("nan")) if value.is_floating_point() else value
            for key, value in model.state_dict().items()
        },
        tmp_path / "nan.safetensors",
    )
    with pytest.raises(WeightsMismatch, match="NaN"):
        read_foreign(tmp_path / "nan.safetensors", model.entry, model.state_dict())

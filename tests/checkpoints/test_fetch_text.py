"""Where a text tower's files come from when nothing is at hand; the whole way is in tests/zoo/test_text_model.py."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from loopback_hub import COMMIT, LoopbackHub
from safetensors.torch import save

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.fetch_text import carry_text, fetch_text, install_text
from omlzoo.errors import OmlzooWarning, WeightsUnavailable

NAME = next(name for name in manifest.names() if manifest.find(name).text is not None)


def test_a_tower_without_a_repository_names_the_way_in() -> None:
    entry = manifest.find(NAME)
    assert entry.text is not None
    homeless = replace(entry.text, repo=None, revision=None, file=None, sha256=None)
    for act in (fetch_text, lambda entry, text: carry_text(entry, text, Path("nowhere"))):
        with pytest.raises(WeightsUnavailable, match="no repository with its text tower as safetensors is known"):
            act(entry, homeless)


def test_the_names_of_a_tower_are_tried_in_turn_and_it_is_said(hub: LoopbackHub) -> None:
    entry = manifest.find(NAME)
    assert entry.text is not None
    sha256 = hub.publish("zoo/named", "third.safetensors", save({"x": torch.ones(1)}))
    text = replace(entry.text, repo="zoo/named", revision=COMMIT, sha256=sha256, size=None, file="first.safetensors",
                   alternatives=("second.safetensors", "third.safetensors"))  # fmt: skip
    with pytest.warns(OmlzooWarning, match="zoo/named has no .*safetensors; .* is tried") as said:
        assert fetch_text(entry, text).name == "third.safetensors"
    assert [str(each.message).split("; ")[1] for each in said] == [
        "second.safetensors is tried", "third.safetensors is tried",
    ]  # fmt: skip
    with pytest.warns(OmlzooWarning), pytest.raises(WeightsUnavailable, match=r"has no such file"):
        fetch_text(replace(entry, name="y"), replace(text, alternatives=("second.safetensors",)))


def test_a_bundle_without_the_tower_says_how_to_write_it(tmp_path: Path) -> None:
    entry = manifest.find(NAME)
    assert entry.text is not None
    if entry.text.repo is not None:
        with pytest.raises(WeightsUnavailable, match=f"omlzoo fetch {NAME} --text --to"):
            install_text(entry, entry.text, tmp_path)

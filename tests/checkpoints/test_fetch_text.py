"""Where a text tower's files come from when nothing is at hand; the whole way is in tests/zoo/test_text_model.py."""

from dataclasses import replace
from pathlib import Path

import pytest

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.fetch_text import carry_text, fetch_text, install_text
from omlzoo.errors import WeightsUnavailable

NAME = next(name for name in manifest.names() if manifest.find(name).text is not None)


def test_a_tower_without_a_repository_names_the_way_in() -> None:
    entry = manifest.find(NAME)
    assert entry.text is not None
    homeless = replace(entry.text, repo=None, revision=None, file=None, sha256=None)
    for act in (fetch_text, lambda entry, text: carry_text(entry, text, Path("nowhere"))):
        with pytest.raises(WeightsUnavailable, match="no repository with its text tower as safetensors is known"):
            act(entry, homeless)


def test_a_bundle_without_the_tower_says_how_to_write_it(tmp_path: Path) -> None:
    entry = manifest.find(NAME)
    assert entry.text is not None
    if entry.text.repo is not None:
        with pytest.raises(WeightsUnavailable, match=f"omlzoo fetch {NAME} --text --to"):
            install_text(entry, entry.text, tmp_path)

"""Facts say where they are and whether they are pinned."""

from pathlib import Path

import pytest
from toys import toy_entry

from omlzoo.checkpoints.folder import WEIGHTS
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import WeightsUnavailable
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.registry import get_weights


def test_pinned_needs_a_hash_and_for_the_hub_a_commit() -> None:
    sha256, commit = "0" * 64, "1" * 40
    assert not Weights(toy_entry()).pinned
    assert Weights(toy_entry(sha256=sha256)).pinned
    assert not Weights(toy_entry(sha256=sha256, repo="a/b", file="m.safetensors")).pinned
    assert Weights(toy_entry(sha256=sha256, repo="a/b", file="m.safetensors", revision=commit)).pinned


def test_a_local_file_is_verified(tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "m")
    facts = get_weights(str(tmp_path / "m"))
    assert facts.fetch() == tmp_path / "m" / WEIGHTS
    content = bytearray(facts.fetch().read_bytes())
    content[-1] ^= 1
    facts.fetch().write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="has sha256 .*; write the folder again"):
        facts.fetch()

"""A folder of weights and entry, written whole, read strictly."""

from pathlib import Path

import pytest
import torch
from toys import toy_entry

from omlzoo.checkpoints.folder import ENTRY, WEIGHTS, open_entry, save_folder
from omlzoo.checkpoints.state_dict import load_tensors
from omlzoo.errors import BadEntry, BadInput, WeightsMismatch
from omlzoo.files import file_digest


def test_what_is_saved_is_opened(tmp_path: Path) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(1)}
    entry = save_folder(state, toy_entry(), tmp_path / "m")
    path = tmp_path / "m" / WEIGHTS
    assert (entry.sha256, entry.size) == (file_digest(path), path.stat().st_size)
    assert open_entry(tmp_path / "m") == entry
    assert torch.equal(load_tensors(path)["a"], state["a"])


def test_a_checkpoint_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    save_folder({"a": torch.ones(1)}, toy_entry(), tmp_path)
    with pytest.raises(BadInput, match="has a model.safetensors already; give another name"):
        save_folder({"a": torch.zeros(1)}, toy_entry(), tmp_path)
    save_folder({"a": torch.zeros(1)}, toy_entry(), tmp_path, overwrite=True)
    assert load_tensors(tmp_path / WEIGHTS)["a"].item() == 0
    with pytest.raises(BadInput, match="is a file"):
        save_folder({}, toy_entry(), tmp_path / ENTRY)


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadEntry, match="has no entry.json"):
        open_entry(tmp_path)
    for content in (b"", b"\x10" + b"\0" * 7 + b"{}", b"PK\x03\x04 a zip" * 9):
        (tmp_path / "x.safetensors").write_bytes(content)
        with pytest.raises(WeightsMismatch, match=r"x.safetensors: not a whole safetensors file"):
            load_tensors(tmp_path / "x.safetensors")

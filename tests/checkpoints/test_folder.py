"""A folder of weights and entry, written whole, read strictly."""

import os
import sys
from pathlib import Path

import pytest
import torch
from toys import toy, toy_entry

from omlzoo.checkpoints.folder import (
    ENTRY,
    WEIGHTS,
    copy_folder,
    open_entry,
    rewrite_entry,
    save_folder,
    weights_of,
)
from omlzoo.checkpoints.state_dict import load_tensors
from omlzoo.errors import BadEntry, BadInput, WeightsMismatch
from omlzoo.files import file_digest, writing


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


KILLED = """
import os, sys
from pathlib import Path
import torch
from toys import toy_entry
from omlzoo.checkpoints.folder import open_entry, rewrite_entry, save_folder
from dataclasses import replace

left = int(sys.argv[2])

def counted(call):
    def counting(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return call(*args, **kwargs)
    return counting

for name in ("replace", "fsync", "open", "unlink", "rename", "mkdir", "rmdir", "chmod"):
    setattr(os, name, counted(getattr(os, name)))
if sys.argv[3] == "save":
    save_folder({"a": torch.full((3,), 2.0)}, toy_entry(notes="new"), sys.argv[1], overwrite=True)
else:
    rewrite_entry(replace(open_entry(sys.argv[1]), notes="new"), sys.argv[1])
os._exit(0)
"""


def whole(folder: Path) -> tuple[str | None, list[float]]:
    """The notes of the entry and the numbers of the weights, which must belong together."""
    entry, path = open_entry(folder), weights_of(folder)
    assert (entry.sha256, entry.size) == (file_digest(path), path.stat().st_size)
    return entry.notes, load_tensors(path)["a"].tolist()


@pytest.mark.parametrize(
    ("what", "stride"), [("save", 3), *(pytest.param(what, 1, marks=pytest.mark.slow) for what in ("save", "rewrite"))]
)
def test_a_writer_that_is_killed_anywhere_leaves_the_old_or_the_new_checkpoint(
    what: str, stride: int, tmp_path: Path
) -> None:
    old, new = ("old", [1.0, 1.0, 1.0]), ("new", [2.0, 2.0, 2.0] if what == "save" else [1.0, 1.0, 1.0])
    found = []
    calls = 0
    while True:  # a child for each place, by fork so that torch is imported once
        folder = tmp_path / str(calls)
        save_folder({"a": torch.ones(3)}, toy_entry(notes="old"), folder)
        (folder / "report.json").write_text("of somebody else")
        child = os.fork()
        if child == 0:
            sys.argv = ["", str(folder), str(calls), what]
            exec(KILLED, {})  # it ends the process
        _, status = os.waitpid(child, 0)
        found.append(whole(folder))
        assert found[-1] in (old, new)
        assert (folder / "report.json").read_text() == "of somebody else"
        save_folder({"a": torch.full((3,), 3.0)}, toy_entry(notes="third"), folder, overwrite=True)
        assert whole(folder) == ("third", [3.0, 3.0, 3.0])
        assert {path.name for path in folder.iterdir()} - {".lock"} == {WEIGHTS, ENTRY, "report.json"}
        if os.waitstatus_to_exitcode(status) == 0:
            break
        calls += stride
    assert calls > 8
    assert found[0] == old
    assert found[-1] == new
    assert found == sorted(found, key=lambda each: each == new), "once it is new, it stays so"


def test_an_entry_is_not_put_beside_other_weights(tmp_path: Path) -> None:
    entry = save_folder({"a": torch.ones(1)}, toy_entry(), tmp_path)
    save_folder({"a": torch.zeros(1)}, toy_entry(), tmp_path, overwrite=True)
    with pytest.raises(BadInput, match="has other weights by now"):
        rewrite_entry(entry, tmp_path)
    with writing(tmp_path), pytest.raises(BadInput, match="is being written by another process"):
        rewrite_entry(open_entry(tmp_path), tmp_path)


def test_two_models_are_not_saved_into_one_folder_at_once(tmp_path: Path) -> None:
    with writing(tmp_path / "m"), pytest.raises(BadInput, match="is being written by another process"):
        toy("resnet_toy").save(tmp_path / "m")
    toy("resnet_toy").save(tmp_path / "m")
    with pytest.raises(BadInput, match="already"):
        toy("resnet_toy").save(tmp_path / "m")


def test_what_is_copied_has_the_sha256_of_the_copy(tmp_path: Path) -> None:
    entry = save_folder({"a": torch.ones(1)}, toy_entry(), tmp_path / "a")
    assert copy_folder(tmp_path / "a" / WEIGHTS, entry, tmp_path / "b") == entry == open_entry(tmp_path / "b")

"""Files are known by their content, and nothing in them is run."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from omlzoo.checkpoints import safe_load
from omlzoo.errors import WeightsMismatch

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}


class Payload:
    """What a malicious pickle would run."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.system, ("touch payload_ran",)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "torchscript"])
def test_every_kind_of_file_opens_whatever_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    if kind == "safetensors":
        save_file(STATE, path)
    elif kind == "torchscript":
        module = torch.nn.Module()
        for name, value in STATE.items():
            module.register_buffer(name, value)
        torch.jit.script(module).save(str(path))
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    found = safe_load.open_file(path, "x")
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_payload_is_refused_and_never_run(legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Payload()}, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsMismatch, match="other pickled objects are not loaded"):
        safe_load.open_file(tmp_path / "x.pth", "x")
    assert not (tmp_path / "payload_ran").exists()


def test_a_payload_that_calls_itself_torchscript_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Payload()}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth", "a") as archive:
        archive.writestr(archive.namelist()[0].partition("/")[0] + "/constants.pkl", b"\x80\x02).")
    with pytest.raises(WeightsMismatch):
        safe_load.open_file(tmp_path / "x.pth", "x")
    assert not (tmp_path / "payload_ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>moved</html>", b"PK\x03\x04 not a zip", b"\x08\x00\x00\x00\x00\x00\x00\x00{not json"]
)
def test_anything_else_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsMismatch, match=r"x\.pth") as caught:
        safe_load.open_file(tmp_path / "x.pth", "x")
    assert "weights_only" not in str(caught.value), "nobody is advised to run what is in it"


def test_a_header_that_lies_about_the_tensors_is_refused(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    for was, lie in ((b"[2,3]", b"[9,3]"), (b"[0,24]", b"[0,99]"), (b'"F32"', b'"F64"')):
        assert was in content or was == b"[0,24]"
        (tmp_path / "x.safetensors").write_bytes(content.replace(was, lie))
        if content.replace(was, lie) != content:
            with pytest.raises(WeightsMismatch, match="not a whole safetensors file"):
                safe_load.open_file(tmp_path / "x.safetensors", "x")


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "x.pth")
    with pytest.raises(WeightsMismatch, match="holds a list; a dict of tensors is wanted"):
        safe_load.open_file(tmp_path / "x.pth", "x")

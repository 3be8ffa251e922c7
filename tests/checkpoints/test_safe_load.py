"""Files are known by their content, and nothing in them is run."""

import functools
import importlib
import io
import os
import pickle
import subprocess
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mutations import damaged, only_refused, watched
from safetensors.torch import save, save_file

import omlzoo
from omlzoo.checkpoints import safe_load, wrappings
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


class Writes(torch.nn.Module):
    """A module of TorchScript that writes a file when torch.jit.load loads it."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(2))
        self.training = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self):  # type: ignore[no-untyped-def]
        return (self.w, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        self.w = state[0]
        self.training = state[1]
        torch.save(["\nany text\n"], "written_by_payload")


class Endless(Writes):
    """One that never ends."""

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        self.w = state[0]
        self.training = state[1]
        while self.w.sum() < 1:
            self.w = self.w * 1


@pytest.mark.parametrize("kind", [Writes, Endless])
def test_code_in_a_torchscript_archive_is_not_run(
    kind: type[Writes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.script(kind()).save("their.pt")
    with watched(), pytest.raises(WeightsMismatch, match=r"a module that loads itself by code of its own"):
        safe_load.open_file(Path("their.pt"), "x")
    with pytest.raises(WeightsMismatch, match="loads itself"):
        omlzoo.get_model("vits16_dino", weights="their.pt")
    assert os.listdir() == ["their.pt"]


def seeds() -> dict[str, bytes]:
    """A small file of each kind."""
    state = {"module.conv1.weight": torch.ones(2, 3), "module.layer4.bn.weight": torch.ones(4, dtype=torch.float16),
             "module.projection_head.weight": torch.zeros(1)}  # fmt: skip
    whole = {
        "state_dict": state,
        "epoch": 3,
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "betas": (0.9, 0.99)},
    }
    found = {"safetensors": save(state)}
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        scripted = torch.jit.script(module)
    for kind, write in {
        "zip": lambda file: torch.save(whole, file),
        "legacy": lambda file: torch.save(whole, file, _use_new_zipfile_serialization=False),
        "torchscript": lambda file: torch.jit.save(scripted, file),
    }.items():
        file = io.BytesIO()
        write(file)
        found[kind] = file.getvalue()
    return found


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "torchscript"])
def test_damaged_files_are_opened_or_refused_and_nothing_else(kind: str, count: int, tmp_path: Path) -> None:
    seed, path = seeds()[kind], tmp_path / "x"

    def read() -> None:
        raw = safe_load.open_file(path, "x")
        for reading in wrappings.readings(raw, "x"):
            reading.state("x")

    def opened() -> None:
        safe_load.open_file(path, "x")

    path.write_bytes(seed)
    assert only_refused(opened), "the seed itself opens"
    for number in range(count):
        path.write_bytes(damaged(seed, number))
        only_refused(read)
    assert os.listdir(tmp_path) == ["x"]


CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "system": (os.system, ("touch ran",)), "popen": (subprocess.Popen, (["touch", "ran"],)), "eval": (eval, ("open('ran', 'w')",)),
    "import": (importlib.import_module, ("antigravity",)), "hub": (torch.hub.load, ("o/n", "m")), "open": (open, ("ran", "w")),
    "setattr": (setattr, (Path, "x", 1)), "torch": (torch.load, ("x",)), "partial": (functools.partial, (os.system, "touch ran")),
    "script": (torch.jit.load, ("x",)), "storage": (torch.UntypedStorage.from_file, ("ran", True, 8)),
}  # fmt: skip


class Calls:
    """What a malicious pickle would call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        return CALLS[self.name]


def malicious(name: str, form: str, path: Path) -> None:
    """A file of a form that calls something when Python's pickle reads it."""
    content = pickle.dumps({"a": Calls(name)}, 2)
    if form == "raw":
        path.write_bytes(content)
    elif form == "second":
        torch.save({"a": torch.ones(1)}, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{path.stem}/other.pkl", content)
    elif form == "tar":
        with tarfile.open(path, "w") as tar:
            for member in ("storages", "tensors", "pickle"):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    else:
        torch.save({"a": Calls(name)}, path, _use_new_zipfile_serialization=form == "zip")


@pytest.mark.parametrize("form", ["zip", "legacy", "raw", "second", "tar"])
@pytest.mark.parametrize("name", CALLS)
def test_what_a_pickle_calls_is_refused(name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    malicious(name, form, tmp_path / "x.pth")
    with watched(), pytest.raises(WeightsMismatch):
        safe_load.open_file(tmp_path / "x.pth", "x")
    assert os.listdir() == ["x.pth"]


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pth")
    for path in (tmp_path / "x.pth", Path("/dev/zero"), tmp_path):
        with pytest.raises(WeightsMismatch, match="give a regular file"):
            safe_load.open_file(path, "x")


def test_keys_that_are_no_text_and_values_that_are_no_tensors_are_left_out(tmp_path: Path) -> None:
    odd = {
        0: torch.ones(1),
        None: torch.ones(1),
        "a": None,
        "b": "text",
        "c": 3,
        "d": [torch.ones(1)],
        "e": torch.ones(1),
    }
    torch.save(odd, tmp_path / "x.pth")
    assert list(safe_load.open_file(tmp_path / "x.pth", "x")) == ["a", "b", "c", "d", "e"]
    for value in (
        torch.ones(3).to_sparse(),
        torch.ones(3, device="meta"),
        torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    ):
        torch.save({"a": value}, tmp_path / "y.pth")
        with pytest.raises(WeightsMismatch, match=r"its pickle has torch\._utils\._rebuild_"):
            safe_load.open_file(tmp_path / "y.pth", "x")


def test_a_name_twice_in_safetensors_is_refused(tmp_path: Path) -> None:
    header = (
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    )
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    with pytest.raises(WeightsMismatch, match="the key 'a' twice"):
        safe_load.open_file(tmp_path / "x", "x")

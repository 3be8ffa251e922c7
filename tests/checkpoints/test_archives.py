"""Zip archives of torch.save and TorchScript give what torch itself reads from them, and are bounded."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from omlzoo.checkpoints.archives import read_archive, read_extra
from omlzoo.errors import WeightsMismatch


class Layer(nn.Module):
    """A module in a module, with a parameter, a buffer and values that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.norm = nn.BatchNorm2d(3)
        self.sizes = [1, 2]
        self.name = "x"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


KINDS = {str(dtype): torch.ones(3, dtype=dtype) for dtype in (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64,
    torch.bool, torch.complex64)}  # fmt: skip
SHARED = torch.arange(24.0).reshape(4, 6)
SAVED: dict[str, Any] = {
    "kinds": KINDS,
    "views": {"whole": SHARED, "row": SHARED[1], "columns": SHARED[:, 2:5], "turned": SHARED.T, "empty": SHARED[:0]},
    "parameter": {"p": nn.Parameter(torch.ones(2)), "scalar": torch.tensor(5)},
    "state": Layer().state_dict(),
    "nested": {
        "state_dict": {"a": torch.ones(1)},
        "epoch": 3,
        "args": {"lr": 0.1, "betas": (0.9, 0.99)},
        "names": {"a", "b"},
    },
}


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, torch.Tensor):
        return found.dtype == wanted.dtype and torch.equal(found, wanted)
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(same(found[key], wanted[key]) for key in wanted)
    return bool(found == wanted) or isinstance(wanted, set)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", SAVED)
def test_what_torch_saves_is_read_as_torch_reads_it(name: str, protocol: int, tmp_path: Path) -> None:
    torch.save(SAVED[name], tmp_path / "x", pickle_protocol=protocol)
    assert same(read_archive(tmp_path / "x"), torch.load(tmp_path / "x", weights_only=False))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("traced", [False, True])
def test_a_torchscript_archive_has_the_state_that_torch_finds(traced: bool, tmp_path: Path) -> None:
    module = nn.Sequential(Layer(), Layer()).eval()
    made = torch.jit.trace(module[0].linear, torch.ones(1, 2)) if traced else torch.jit.script(module)
    torch.jit.save(made, str(tmp_path / "x"), _extra_files={"said": "by us"})
    found, wanted = read_archive(tmp_path / "x"), torch.jit.load(str(tmp_path / "x")).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert read_extra(tmp_path / "x", "said") == b"by us"
    with pytest.raises(WeightsMismatch, match="no extra file other"):
        read_extra(tmp_path / "x", "other")


def rewritten(path: Path, changes: dict[str, bytes | None], compress: bool = False) -> None:
    """Write the archive again with members changed, added or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compress else 0) as new:
        contents = {info.filename: old.read(info) for info in old.infolist()} | changes
        for name, content in contents.items():
            if content is not None:
                new.writestr(name, content)
    path.write_bytes(out.getvalue())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x/data/0": b"\0" * 23}, "the numbers of storage '0' are not in it"),
        ({"x/data/0": None}, "the numbers of storage '0' are not in it"),
        ({"x/../y": b""}, r"it has a member 'x/../y'"),
        ({"/x/y": b""}, "it has a member '/x/y'"),
        ({"y/data.pkl": b"N."}, "without data.pkl"),
        ({"x/evil.bin": b"cos\nsystem\n."}, r"it has a member 'x/evil.bin'"),
        ({"x/second.pkl": b"cos\nsystem\n."}, "its pickle has os.system"),
        ({"x/constants.pkl": b"cos\nsystem\n."}, "its pickle has os.system"),
        ({"x/byteorder": b"big"}, "little-endian"),
        ({"x/data.pkl": b"N" * 65_000_000 + b"."}, "more than 64 MB"),
    ],
)  # fmt: skip
def test_members_that_lie_are_refused(changes: dict[str, bytes | None], said: str, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(6)}, tmp_path / "x")
    rewritten(tmp_path / "x", changes, compress="x/data.pkl" in changes)
    if "x/data.pkl" in changes:
        assert (tmp_path / "x").stat().st_size < 200_000, "it is a bomb"
    with pytest.raises(WeightsMismatch, match=said):
        read_archive(tmp_path / "x")


def test_compressed_numbers_and_names_that_occur_twice_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(6)}, tmp_path / "x")
    rewritten(tmp_path / "x", {})
    assert read_archive(tmp_path / "x")["a"].tolist() == [1.0] * 6, "written by another zip program"
    with zipfile.ZipFile(tmp_path / "x", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x/data.pkl", b"N.")
    with pytest.raises(WeightsMismatch, match="two members of one name"):
        read_archive(tmp_path / "x")
    torch.save({"a": torch.ones(6)}, tmp_path / "x")
    rewritten(tmp_path / "x", {}, compress=True)
    with pytest.raises(WeightsMismatch, match=r"compressed or encrypted; write it again with torch\.save"):
        read_archive(tmp_path / "x")


def test_modules_in_each_other_for_ever_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(6)}, tmp_path / "x")
    for circle in (b"c__torch__\nM\n)\x81p0\n}X\x01\0\0\0wg0\nsb.", b"c__torch__\nM\n)\x81(K\x01K\x02tb."):
        rewritten(tmp_path / "x", {"x/constants.pkl": b").", "x/data.pkl": circle})
        with pytest.raises(WeightsMismatch, match="a module that loads itself by code of its own"):
            read_archive(tmp_path / "x")

"""Reading the zip archives of ``torch.save`` and TorchScript by their tensors alone. Code in them is not looked at.

Numbers are mapped into memory and read when they are used.
"""

import mmap
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omlzoo.checkpoints.pickles import Held, Storage, read_pickle
from omlzoo.errors import WeightsMismatch

__all__ = ["mapped", "read_archive", "read_extra"]

LARGEST = 64_000_000  # bytes of a pickle or text in an archive; the numbers lie beside it
DEEPEST = 64  # modules inside each other
MODULES = 100_000
UNBOUND = 1 << 60  # bytes, for tensors without numbers
HEADER = 30  # bytes of a member's header, before its name
PICKLE = ".pkl"
FILES = ("version", "byteorder", ".format_version", ".storage_alignment")
FOLDERS = ("code", "extra", ".data")


def read_archive(path: Path) -> Any:
    """What an archive holds: the value that ``torch.save`` was given, or the tensors of a TorchScript module by name.

    Args:
        path: A zip file.

    Raises:
        WeightsMismatch: It is no such archive. Damaged ones raise other errors too.
    """
    with zipfile.ZipFile(path) as archive:
        members, top = _members(archive)
        numbers = mapped(path)
        order = members.get(f"{top}/byteorder")
        if order is not None and _content(archive, order) != b"little":
            raise WeightsMismatch("its numbers are not little-endian")
        scripted = f"{top}/constants{PICKLE}" in members
        for stem in _pickles(members, top):  # only data.pkl is needed; the others may not name anything else either
            content = BytesIO(_content(archive, members[f"{top}/{stem}{PICKLE}"]))
            if stem != "data":
                read_pickle(content, _no_numbers, UNBOUND, scripted)
            else:
                value = read_pickle(content, _storages(members, f"{top}/data", numbers), len(numbers), scripted)
    return _tensors(value) if scripted else value


def read_extra(path: Path, name: str) -> bytes:
    """A file that was put beside the code of a TorchScript archive when it was saved.

    Args:
        path: The archive.
        name: Name of the file.

    Raises:
        WeightsMismatch: It is no such archive, or has no such file. Damaged ones raise other errors too.
    """
    with zipfile.ZipFile(path) as archive:
        members, top = _members(archive)
        if f"{top}/extra/{name}" not in members:
            raise WeightsMismatch(f"it has no extra file {name}")
        return _content(archive, members[f"{top}/extra/{name}"])


def mapped(path: Path) -> mmap.mmap:
    """The content of a file, mapped into memory; what is written to it stays in memory."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _members(archive: zipfile.ZipFile) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """The members by name, and the folder that they all lie in."""
    members = {info.filename: info for info in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise WeightsMismatch("it has two members of one name")
    tops = [name.removesuffix("/data.pkl") for name in members if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(tops) != 1:
        raise WeightsMismatch("it is a zip file without data.pkl")
    pickles = _pickles(members, tops[0])
    files, folders = {*FILES, *(f"{stem}{PICKLE}" for stem in pickles)}, {*FOLDERS, *pickles}
    for name in members:
        top, _, inner = name.partition("/")
        folder, _, rest = inner.partition("/")
        if top != tops[0] or ".." in inner.split("/") or (inner not in files and not (rest and folder in folders)):
            raise WeightsMismatch(f"it has a member {name[:200]!r}, which no checkpoint has")
    return members, tops[0]


def _pickles(members: dict[str, zipfile.ZipInfo], top: str) -> list[str]:
    """Names of the pickles of an archive, without their ending."""
    pattern = re.compile(rf"{re.escape(top)}/(\w+){re.escape(PICKLE)}")
    return [found[1] for name in members if (found := pattern.fullmatch(name))]


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The content of a member, however much it unpacks to by its own account."""
    with archive.open(info) as member:
        content = member.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise WeightsMismatch(f"{info.filename} in it has more than {LARGEST // 1_000_000} MB")
    return content


def _no_numbers(key: str, dtype: torch.dtype, count: int) -> Tensor:
    return torch.empty(count, dtype=dtype, device="meta")


def _storages(members: dict[str, zipfile.ZipInfo], folder: str, numbers: mmap.mmap) -> Storage:
    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        info = members.get(f"{folder}/{key}")
        if info is None or info.file_size != count * dtype.itemsize:
            raise WeightsMismatch(f"the numbers of storage {key[:50]!r} are not in it")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise WeightsMismatch("its numbers are compressed or encrypted; write it again with torch.save")
        header = numbers[info.header_offset : info.header_offset + HEADER]
        if header[:4] != b"PK\x03\x04":
            raise WeightsMismatch(f"the header of storage {key[:50]!r} is damaged")
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        start = info.header_offset + HEADER + name + extra
        if start + info.file_size > len(numbers):
            raise WeightsMismatch("it is cut off")
        if count == 0 or start % dtype.itemsize:
            return torch.frombuffer(bytearray(numbers[start : start + info.file_size]) or bytearray(16), dtype=dtype)[
                :count
            ]
        return torch.frombuffer(numbers, dtype=dtype, count=count, offset=start)

    return storage


def _tensors(module: Any) -> dict[str, Tensor]:
    """The tensors of a scripted module and the modules in it, by the names that its state dict has."""
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, Any]] = [("", module)]
    for _ in range(MODULES):
        if not waiting:
            return found
        prefix, holder = waiting.pop()
        if not isinstance(holder, Held) or not isinstance(holder.state, dict) or prefix.count(".") > DEEPEST:
            raise WeightsMismatch("it is a TorchScript archive with a module that loads itself by code of its own")
        for name, value in holder.state.items():
            if isinstance(value, Tensor):
                found[f"{prefix}{name}"] = value
            elif isinstance(value, Held) and isinstance(value.state, dict):
                waiting.append((f"{prefix}{name}.", value))
    raise WeightsMismatch(f"it has more than {MODULES:,} modules")

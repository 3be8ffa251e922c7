"""Reading the files that ``torch.save`` wrote before torch 1.6: five pickles, and then the numbers of each storage."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omlzoo.checkpoints.archives import mapped
from omlzoo.checkpoints.pickles import read_pickle
from omlzoo.errors import WeightsMismatch

__all__ = ["START", "read_legacy"]

START = b"\x80"  # what every pickle begins with
MARK = 0x1950A86A20F9469CFC6C  # torch's, the value of the first pickle
VERSION = 1001
COUNT = 8  # bytes of the number of elements before the numbers of a storage


def read_legacy(path: Path) -> Any:
    """The value that ``torch.save`` was given.

    Args:
        path: A file that begins with :data:`START`.

    Raises:
        WeightsMismatch: It holds something else than plain values and tensors. Damaged ones raise other errors too.
    """
    file = mapped(path)
    size = room = len(file)
    storages: dict[str, Tensor] = {}

    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        """A storage without its numbers, which come after the pickle."""
        nonlocal room
        if key not in storages:
            room -= count * dtype.itemsize
            if room < 0:
                raise WeightsMismatch("it is cut off")
            storages[key] = torch.empty(count, dtype=dtype)
        if storages[key].dtype != dtype or len(storages[key]) != count:
            raise WeightsMismatch(f"the storage {key[:50]!r} is described in two ways")
        return storages[key]

    begin = [read_pickle(file, storage, size) for _ in range(2)]
    if begin != [MARK, VERSION] or not isinstance(read_pickle(file, storage, size), dict):
        raise WeightsMismatch("it is a pickle, but not of torch.save")
    value = read_pickle(file, storage, size)
    keys = read_pickle(file, storage, size)
    if not isinstance(keys, list) or sorted(keys) != sorted(storages):
        raise WeightsMismatch("it does not have the storages that it names")
    with path.open("rb") as opened:
        opened.seek(file.tell())
        for key in keys:
            numbers = memoryview(storages[key].view(torch.uint8).numpy())  # type: ignore[arg-type]
            if opened.read(COUNT) != len(storages[key]).to_bytes(COUNT, "little") or (
                opened.readinto(numbers) != numbers.nbytes
            ):
                raise WeightsMismatch(f"the storage {key[:50]!r} has another size than it says")
    return value

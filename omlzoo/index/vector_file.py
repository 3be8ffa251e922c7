"""The vectors of an index as a file of numpy, which is mapped and not read: what is not looked at takes no memory."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo.errors import BadInput

__all__ = ["pages_digest", "read_vectors", "write_vectors"]

PAGE = 4096  # bytes that one sum is of
BLOCK = 1 << 22  # bytes that are looked at together


def write_vectors(path: Path, vectors: np.ndarray, good: np.ndarray, removed: np.ndarray) -> None:
    """Write vectors as float32: NaN where a row failed, and zeros where it was removed, so that nothing of it is left.

    Args:
        path: The file.
        vectors: (N, dim) float32.
        good: (N,) bool: the rows that have a vector.
        removed: (N,) bool: of the others, those that had one.

    Raises:
        BadInput: A row has no error and a number that is not finite.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": vectors.shape}
    step = max(1, BLOCK // (4 * max(1, vectors.shape[1])))
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for start in range(0, len(vectors), step):
            rows = slice(start, start + step)
            part, there = np.ascontiguousarray(vectors[rows], dtype="<f4"), good[rows]
            if not there.all():
                part = np.where(there[:, None], part, np.where(removed[rows], 0, np.nan)[:, None]).astype("<f4")
            broken = there & ~np.isfinite(part).all(axis=1)
            if broken.any():
                raise BadInput(f"row {start + int(broken.argmax())} has a vector that is not finite, and no error; "
                               "say why in the column error")  # fmt: skip
            file.write(part.data)


def read_vectors(path: Path, rows: int, dim: int) -> np.ndarray:
    """The vectors (N, dim) of a file, mapped where the system can replace mapped files. Changing them changes no file.

    Args:
        path: The file.
        rows: N.
        dim: Dimension of the vectors.

    Raises:
        BadInput: The file is none of ours, or of other vectors.
    """
    try:
        found: Any = np.load(path, mmap_mode="c" if os.name == "posix" else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise BadInput(f"{path}: not a whole file of vectors ({str(error)[:200]}); build the index again") from error
    wanted = (rows, dim)
    if getattr(found, "shape", None) != wanted or found.dtype != np.dtype("<f4") or not found.flags.c_contiguous:
        what = f"{getattr(found, 'shape', type(found).__name__)} of {getattr(found, 'dtype', 'no numbers')}"
        raise BadInput(f"{path}: has {what}, the rows need {wanted} of float32; build the index again")
    vectors: np.ndarray = found.view(np.ndarray)
    return vectors


def pages_digest(path: Path) -> str:
    """A digest that notices a changed bit, page or size, at the speed of reading: the sha256 of the pages' sums."""
    found, buffer, size = hashlib.sha256(), bytearray(BLOCK), 0
    with path.open("rb") as file:
        while count := file.readinto(buffer):  # as much as there is, so that only the last one is short
            size += count
            end = -(-count // PAGE) * PAGE
            buffer[count:end] = bytes(end - count)
            pages = np.frombuffer(buffer, dtype="<u8", count=end // 8).reshape(-1, PAGE // 8)
            found.update(pages.sum(axis=1, dtype="<u8").tobytes())
    found.update(size.to_bytes(8, "little"))
    return f"pages:{found.hexdigest()}"

"""Decoded pictures kept on disk as plain bytes, so that the epochs after the first one need not decode them again."""

import os
import shutil
import struct
import zlib
from pathlib import Path
from threading import Lock
from typing import IO

from filelock import FileLock
from PIL import Image

__all__ = ["DecodedCache", "Identity", "file_identity"]

PIXELS, INDEX, LOCKED = "pixels", "index", "lock"
# Of one picture: place in the file of pixels, inode, time of change in ns, bytes of the picture's file, width, height.
RECORD = struct.Struct("<QQqQII")
SLOT = 64  # bytes of a record with its checksum; slots do not cross pages
HEADER = struct.Struct("<QQ")  # where the next picture goes, and whether one did not fit

Identity = tuple[int, int, int]  # inode, time of change in ns, bytes


class DecodedCache:
    """Pictures (H, W, 3) uint8 of numbered rows, in a folder that processes and threads of one run read and fill.

    What is written first are the pixels, then the record that names them, so that a process that is killed in between
    leaves no picture that is half there. A picture is given back only for the file that it was decoded from: if that
    was changed or replaced since, it is decoded again. Files are read and written, not mapped into memory: a full disk
    is then an error that ends the keeping, where a mapped file would end the process.

    Args:
        folder: The folder, for this cache alone.
        rows: Number of rows.
        limit: Largest number of bytes of all pixels.
    """

    def __init__(self, folder: Path, rows: int, limit: int) -> None:
        self.folder, self.rows, self.limit = folder, rows, limit
        self._opened: tuple[int, IO[bytes], IO[bytes]] | None = None
        self._turn = Lock()  # of threads, which share the files that this process opened

    def begin(self) -> None:
        """Make the folder, empty; what a run that was killed had left in it is removed."""
        self.remove()
        self.folder.mkdir(parents=True)
        (self.folder / PIXELS).touch()
        (self.folder / INDEX).write_bytes(bytes(SLOT * (self.rows + 1)))

    def remove(self) -> None:
        """Remove the folder."""
        if self._opened is not None and self._opened[0] == os.getpid():
            for file in self._opened[1:]:
                file.close()
        self._opened = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, row: int, identity: Identity) -> Image.Image | None:
        """The picture of a row, None where it is not kept.

        Args:
            row: The row, from 0.
            identity: That of the picture's file now.
        """
        with self._turn:
            return self._get(row, identity)

    def _get(self, row: int, identity: Identity) -> Image.Image | None:
        pixels, index = self._files()
        index.seek(SLOT * (row + 1))
        slot = index.read(RECORD.size + 4)
        if len(slot) < RECORD.size + 4 or slot[RECORD.size :] != _checksum(slot[: RECORD.size]):
            return None
        place, inode, changed, size, width, height = RECORD.unpack(slot[: RECORD.size])
        if (inode, changed, size) != identity:
            return None
        pixels.seek(place)
        levels = pixels.read(3 * width * height)
        return Image.frombytes("RGB", (width, height), levels) if len(levels) == 3 * width * height else None

    def put(self, row: int, identity: Identity, image: Image.Image) -> None:
        """Keep the picture of a row, if it fits.

        Args:
            row: The row, from 0.
            identity: That of the picture's file before it was decoded.
            image: A PIL image of mode RGB.
        """
        with self._turn:
            if not self._header(self._files()[1])[1]:
                self._put(row, identity, image)

    def _put(self, row: int, identity: Identity, image: Image.Image) -> None:
        pixels, index = self._files()
        levels = image.tobytes()
        with FileLock(self.folder / LOCKED):
            end, full = self._header(index)
            if full:
                return
            fits = end + len(levels) <= self.limit
            if fits:
                try:
                    _write(pixels, end, levels)
                except OSError:  # the disk is full: others wrote to it
                    fits = False
            _write(index, 0, HEADER.pack(end + len(levels) * fits, not fits))
            if fits:
                record = RECORD.pack(end, *identity, *image.size)
                _write(index, SLOT * (row + 1), record + _checksum(record))

    @property
    def size(self) -> int:
        """Bytes of the pixels that are kept."""
        return self._header(self._files()[1])[0]

    def __getstate__(self) -> dict[str, object]:
        """For worker processes, each of which opens the files itself."""
        return {**{name: value for name, value in self.__dict__.items() if name != "_turn"}, "_opened": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._turn = Lock()

    def _header(self, index: IO[bytes]) -> tuple[int, bool]:
        index.seek(0)
        end, full = HEADER.unpack(index.read(HEADER.size))
        return end, bool(full)

    def _files(self) -> tuple[IO[bytes], IO[bytes]]:
        """Pixels and index, opened by this process: a fork would share the place in the file with its parent."""
        if self._opened is None or self._opened[0] != os.getpid():
            pixels, index = ((self.folder / name).open("r+b", buffering=0) for name in (PIXELS, INDEX))
            self._opened = os.getpid(), pixels, index
        return self._opened[1:]


def file_identity(path: Path) -> Identity | None:
    """What tells that a file is the one that was read before; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _checksum(record: bytes) -> bytes:
    return zlib.crc32(record).to_bytes(4, "little")


def _write(file: IO[bytes], place: int, content: bytes) -> None:
    file.seek(place)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]

"""Pictures in a tar archive, such as a shard of a WebDataset: samples whose files share a name before the first dot."""

import os
import tarfile
import weakref
from pathlib import Path
from typing import ClassVar

import pandas as pd

from omlzoo.data.sources._container import Contents, check_size, pictures_among
from omlzoo.errors import BadImage, BadInput

__all__ = ["TarArchive"]

PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lzma")
LABEL = ".cls"  # a member that holds the label of its sample, by WebDataset's custom
LONGEST = 1000  # bytes of a label


class TarArchive:
    """A tar archive. Headers are read once, members at their places in the file; nothing is unpickled or unpacked.

    Args:
        path: The archive.

    Raises:
        BadInput: It is compressed, or no tar archive.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".tar", *PACKED)

    def __init__(self, path: Path) -> None:
        self.path, self.notices = path, ()  # type: tuple[Path, tuple[str, ...]]
        if path.name.strip().casefold().endswith(PACKED):
            raise BadInput(
                f"{path}: of a compressed tar no member can be read without all before it; unpack it to a .tar "
                "(gunzip, unxz): pictures are compressed already"
            )
        self.places = self._read_headers()  # of each member its first byte and its number of bytes
        self.file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)

    @staticmethod
    def takes(path: Path) -> bool:
        """Any file that ends so."""
        return True

    def _read_headers(self) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        end, size = 0, self.path.stat().st_size
        try:
            with tarfile.open(self.path, "r:") as archive:
                while (member := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # a list of all would be kept beside ours
                    end = member.offset_data + (member.size if member.isreg() else 0)
                    if member.isreg() and not member.issparse() and end <= size:
                        places[member.name.removeprefix("./")] = member.offset_data, member.size
        except (tarfile.TarError, OSError, ValueError) as error:
            if not places:
                raise BadInput(f"{self.path}: cannot be read as a tar archive: {error}") from error
            end = size + 1
        if end > size or not self._ends(end):
            said = f"{self.path}: is cut off or damaged behind {len(places)} whole members; these are taken"
            self.notices = (f"{said}, the last is {list(places)[-1]!r}; copy it again" if places else said,)
        return places

    def _ends(self, end: int) -> bool:
        """Whether the block behind the last member is empty, by which an archive ends."""
        with self.path.open("rb") as file:
            file.seek(-(-end // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
            return file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)

    def contents(self) -> Contents:
        """The members that are pictures by their names, with the labels that stand in ``.cls`` members beside them."""
        pictures, passed = pictures_among([name for name in self.places if not name.endswith(LABEL)])
        frame = pd.DataFrame({"path": pictures}, dtype="str")
        labels = {_sample(name): self._label(name) for name in self.places if name.endswith(LABEL)}
        if labels:
            frame["label"] = [labels.get(_sample(name), "") for name in pictures]
            said = f"{self.path}: labels are those of the members that end in {LABEL}"
            return Contents(frame, (*self.notices, said), passed=passed)
        return Contents(frame, self.notices, passed=passed)

    def _label(self, name: str) -> str:
        return self._bytes(name, LONGEST).decode("utf-8", "backslashreplace").strip()

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            BadImage: There is no such member, or it is too large.
        """
        if name not in self.places:
            raise BadImage(f"{self.path}/{name}: there is no such member in the archive")
        check_size(f"{self.path}/{name}", self.places[name][1])
        return self._bytes(name)

    def _bytes(self, name: str, most: int | None = None) -> bytes:
        start, size = self.places[name]
        content = os.pread(self.file, size if most is None else min(size, most), start)
        if most is None and len(content) != size:
            raise BadImage(f"{self.path}/{name}: the archive ends within it")
        return content

    def size(self, name: str) -> int | None:
        """The bytes of a member."""
        return self.places[name][1] if name in self.places else None


def _sample(name: str) -> str:
    """The part of a member's name that the files of a sample share: up to the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"

"""Pictures in a zip archive."""

import zipfile
from pathlib import Path
from typing import ClassVar

import pandas as pd

from omlzoo.data.sources._container import Contents, check_size, pictures_among
from omlzoo.errors import BadImage, BadInput

__all__ = ["ZipArchive"]

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for any amount of memory


class ZipArchive:
    """A zip archive, whose members are read one by one and never unpacked to the disk.

    Args:
        path: The archive.

    Raises:
        BadInput: It is damaged or cut off.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".zip",)

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            reason = f"{error}; a zip that is cut off lacks the list at its end, copy it again"
            raise BadInput(f"{path}: cannot be read as a zip archive: {reason}") from error
        self.members = {info.filename: info for info in self.archive.infolist() if not info.is_dir()}

    @staticmethod
    def takes(path: Path) -> bool:
        """Any file that ends in .zip."""
        return True

    def contents(self) -> Contents:
        """The members that are pictures by their names."""
        pictures, passed = pictures_among(list(self.members))
        return Contents(pd.DataFrame({"path": pictures}, dtype="str"), passed=passed)

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            BadImage: There is no such member, it needs a password, or it is damaged or larger than it says.
        """
        info = self.members.get(name)
        if info is None:
            raise BadImage(f"{self.path}/{name}: there is no such member in the archive")
        check_size(f"{self.path}/{name}", info.file_size)
        if info.compress_type not in METHODS:
            raise BadImage(f"{self.path}/{name}: is compressed in another way than deflate, which is not read")
        try:
            with self.archive.open(info) as member:
                content = member.read(info.file_size + 1)
        except Exception as error:  # zlib, lzma and zipfile raise classes of their own
            raise BadImage(f"{self.path}/{name}: {error or type(error).__name__}") from error
        if len(content) != info.file_size:
            raise BadImage(f"{self.path}/{name}: it has not the {info.file_size:,} bytes that the archive says")
        return content

    def size(self, name: str) -> int | None:
        """The bytes of a member once it is unpacked."""
        info = self.members.get(name)
        return None if info is None else info.file_size

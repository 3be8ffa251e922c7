"""Where weights are published besides the Hub: the file of their authors, and a distribution on a package index."""

import re
from dataclasses import dataclass
from typing import Literal

from omlzoo.checkpoints import entry_rules as rules
from omlzoo.errors import BadEntry

__all__ = ["LARGEST", "Package", "Pin", "Upstream"]

Pin = Literal["measured", "publisher", "two sources", "one source"]  # how a hash is known
HASHES = {"md5": 32, "sha256": 64}  # number of hex digits of a complete digest
LARGEST = 2**62  # bytes of a file


@dataclass(frozen=True)
class Upstream:
    """The file that the authors published, for weights that are in no Hub repository.

    Attributes:
        url: Address of the file.
        hash: "md5:<hex digits>" or "sha256:<hex digits>", the complete digest or its first digits; null if the authors
            published none.
        layout: Name of the file's key layout, see :mod:`omlzoo.checkpoints.layouts`.
        pin: How the hash is known, as the entry's ``pin``.
    """

    url: str
    hash: str | None
    layout: str
    pin: Pin | None = None

    def __post_init__(self) -> None:
        rules.check_url(self.url, "upstream.url")
        algorithm, _, digest = (self.hash or "").partition(":")
        if self.hash is not None and (
            algorithm not in HASHES or not re.fullmatch(rf"[0-9a-f]{{4,{HASHES[algorithm]}}}", digest)
        ):
            rule = "md5:<hex digits> or sha256:<hex digits>"
            raise BadEntry(f"upstream.hash is {self.hash[:100]!r}; it must be {rule}")


@dataclass(frozen=True)
class Package:
    """The file of weights in an installable distribution, for weights that travel as packages.

    Attributes:
        distribution: Name of the distribution on a package index.
        version: Its version.
        file: The file inside, with "/" between folders; safetensors, or in the layout of the entry.
        sha256: sha256 of the file's content, 64 hex digits.
        size: Size of the file in bytes.
    """

    distribution: str
    version: str
    file: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        rules.check_distribution(self.distribution, self.version)
        rules.check_inner_path(self.file, "package.file")
        rules.check_hex(self.sha256, 64, "package.sha256")
        rules.check_range("package.size", self.size, 1, LARGEST)

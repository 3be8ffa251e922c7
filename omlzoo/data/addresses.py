"""Addresses of pictures, and which of them are followed: what a user typed, or a host or bucket that a user named.

An address that stands in a table is only text until ``remote=`` (``--remote``) names its scheme and host: a table, an
index or a dataset of somebody else must not make this machine ask other machines for anything.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from omlzoo import catalog
from omlzoo.data.late_picture import LatePicture
from omlzoo.errors import BadInput

__all__ = ["SCHEMES", "Address", "Named", "as_named", "is_address", "is_followed", "late_picture", "parse_address"]

SCHEMES = ("https", "s3", "gs")
BEGINNING = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
ODD = re.compile(r"[\s\x00-\x1f\x7f\\]")
RULE = f"addresses begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}"

Named = str | Sequence[str] | None


class Address(NamedTuple):
    """An address that may be followed.

    Attributes:
        scheme: "https", "s3" or "gs".
        host: The host with its port, or the bucket, in small letters.
        path: What stands behind it, without the slash between.
    """

    scheme: str
    host: str
    path: str

    @property
    def place(self) -> str:
        """What a user names: scheme and host."""
        return f"{self.scheme}://{self.host}"

    @property
    def name(self) -> str:
        """The last part of the path, without a query; "file" where there is none."""
        last = (urlsplit(f"x://x/{self.path}").path if self.scheme == "https" else self.path).rpartition("/")[2]
        return re.sub(r"[^\w.\-]", "_", last)[-100:].lstrip(".") or "file"

    def __str__(self) -> str:
        return f"{self.place}/{self.path}"


def is_address(text: object) -> bool:
    """Whether a text is an address of any scheme, and no path."""
    return isinstance(text, str) and BEGINNING.match(text) is not None


def parse_address(text: str) -> Address:
    """The parts of an address.

    Raises:
        BadInput: It is of another scheme, chained (``::``), has a name or password, no host, or characters that none
            has.
    """
    scheme = text.partition("://")[0].lower()
    if "::" in text.partition("[")[0] + text.partition("]")[2]:  # but for an IPv6 host
        raise BadInput(f"{text}: chained addresses (::) are not followed; {RULE}")
    if scheme not in SCHEMES:
        raise BadInput(f"{text}: addresses of the scheme {scheme} are not followed; {RULE}")
    if ODD.search(text):
        raise BadInput(f"{text!r}: has a space, a backslash or a control character; write it as %20 or the like")
    rest = text.partition("://")[2]
    host, _, path = rest.partition("/")
    if scheme == "https" and "#" in path:
        path = path.partition("#")[0]
    if "@" in host:
        place = f"{scheme}://{host.rpartition('@')[2]}"
        raise BadInput(f"an address of {place} has a name or password in it; give those by the client's configuration")
    try:
        whole = not host or (scheme == "https" and (urlsplit(f"//{host}").port or 1) < 0)
    except ValueError:
        whole = True
    if whole or "?" in host or "#" in host:
        raise BadInput(f"{text}: has no {'host' if scheme == 'https' else 'bucket'}; write {scheme}://NAME/...")
    return Address(scheme, host.lower().removesuffix(":443") if scheme == "https" else host, path)


def as_named(remote: Named) -> tuple[str, ...]:
    """The schemes and hosts that a user named, such as "s3://shop-photos".

    Raises:
        BadInput: One is no address, or has a path, which would say nothing about what is followed.
    """
    places = [remote] if isinstance(remote, str) else list(remote or ())
    found = []
    for place in places:
        address = parse_address(place) if is_address(place) else None
        if address is None or address.path:
            raise BadInput(f"remote is {place!r}; give scheme and host, as s3://bucket or https://host")
        found.append(address.place)
    return tuple(found)


def is_followed(text: str, named: Sequence[str]) -> bool:
    """Whether an address is of a scheme and host that were named.

    Args:
        text: The address.
        named: What :func:`as_named` gave.
    """
    try:
        return parse_address(text).place in named
    except BadInput:
        return False


def late_picture(text: str, named: Sequence[str]) -> LatePicture:
    """The picture at an address, fetched when its turn comes.

    Args:
        text: The address.
        named: The schemes and hosts that are followed; of any other address the picture is an error.
    """
    return LatePicture(text, partial(_fetched, text, tuple(named)))


def _fetched(text: str, named: tuple[str, ...]) -> Path:
    path: Path = catalog.shared("data.remote", "fetch")(text, named)
    return path

"""Files at addresses, fetched into a local cache. One of the few files that use the network.

https goes through httpx, redirects by hand: only to the host that was asked for, by https, and never from a public
machine to a private one. s3 and gs go through fsspec with the credentials that their clients find.
"""

import hashlib
import json
import socket
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from omlzoo import catalog
from omlzoo.data.addresses import Address, is_followed, parse_address
from omlzoo.data.sources._container import LARGEST
from omlzoo.errors import BadImage, BadInput, MissingExtra, notice
from omlzoo.files import new_file

__all__ = ["fetch", "list_addresses"]

TRIES = 4  # requests for one file before an error is raised
WAIT = 0.5  # seconds before the second try; each further one waits twice as long
LONGEST_WAIT = 30.0  # seconds that a server may ask for
REDIRECTS = 5
TIMEOUT = 20.0  # seconds for a connection, and without any byte
PATIENCE, SLOWEST = 60.0, 2000  # seconds after which fewer bytes a second than that are given up
BLOCK = 1 << 16
AGAIN = {408, 425, 429, 500, 502, 503, 504}
MEANING = {401: "not logged in", 403: "without permission", 404: "there is no such file", 410: "it is gone"}
CLIENTS = {"s3": "s3fs", "gs": "gcsfs"}
VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
PICTURE_LIMIT = LARGEST
REST = 60.0  # seconds in which a host that failed is asked once for each further file
_failed: dict[str, float] = {}  # when a host failed last, by scheme and host


class _Transient(Exception):
    """What may go better the next time, and how long the server asks to wait."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(text: str, named: Sequence[str], largest: int | None = PICTURE_LIMIT) -> Path:
    """The local copy of a file at an address; fetched again only if it changed.

    Args:
        text: The address.
        named: The schemes and hosts that may be asked.
        largest: Bytes that it may have; None allows any, for archives.

    Raises:
        BadImage: It may not be followed, is not there, is too large, or no try succeeded. A copy of an earlier run
            serves where the server cannot be reached, which is said.
    """
    try:
        address = parse_address(text)
    except BadInput as error:
        raise BadImage(str(error)) from error
    if not is_followed(text, named):
        raise BadImage(f"{text}: an address in a table is followed only where its host is named; give "
                       f"remote={address.place!r} (--remote {address.place}) if you trust it")  # fmt: skip
    kept = _place(address)
    known = _known(kept)
    getting = _by_https if address.scheme == "https" else _by_fsspec
    try:
        found = _patiently(address, lambda: getting(address, kept, known, largest))
    except _Transient as error:
        if known:
            notice(f"{address.place} cannot be reached; files of an earlier run are taken from {kept.parent.parent}")
            return kept
        raise BadImage(f"{address}: {error}, tried {TRIES} times; try again later") from error
    if found is not None:
        with new_file(kept.with_name("facts.json")) as temporary:
            temporary.write_text(json.dumps({"address": str(address), **found}), encoding="utf-8")
    return kept


def list_addresses(text: str) -> list[str]:
    """The addresses below a folder in a bucket, sorted.

    Raises:
        BadInput: There is no such folder, or it cannot be listed.
    """
    address = parse_address(text)
    if address.scheme == "https":
        raise BadInput(f"{text}: https has no folders; give the address of a picture, an archive or a table")
    client = _client(address.scheme)
    try:
        found = client.find(f"{address.host}/{address.path}".rstrip("/"))
    except Exception as error:  # clients raise classes of their own
        raise BadInput(f"{text}: cannot be listed ({type(error).__name__}: {error})") from error
    return sorted(f"{address.scheme}://{str(name).lstrip('/')}" for name in found)


def _place(address: Address) -> Path:
    home: Path = catalog.shared("checkpoints.cache", "home")()
    digest = hashlib.sha256(str(address).encode()).hexdigest()
    return home / "remote" / digest[:2] / digest[2:34] / address.name


def _known(kept: Path) -> dict[str, Any]:
    """The facts of a copy that is whole; empty where there is none."""
    try:
        facts = json.loads(kept.with_name("facts.json").read_text(encoding="utf-8"))
        return dict(facts) if kept.stat().st_size == facts["size"] else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _patiently(address: Address, once: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """What a request gives, tried several times; once where the host failed so a short while ago."""
    tries = 1 if time.monotonic() - _failed.get(address.place, -REST) < REST else TRIES
    for attempt in range(1, tries + 1):
        try:
            return once()
        except _Transient as error:
            if attempt == tries:
                _failed[address.place] = time.monotonic()
                raise
            time.sleep(min(LONGEST_WAIT, max(error.wait, WAIT * 2 ** (attempt - 1))))
    raise BadImage(f"{address}: was not asked for")  # not reached: the last try returns or raises


def _by_https(address: Address, kept: Path, known: dict[str, Any], largest: int | None) -> dict[str, Any] | None:
    import httpx

    headers = {"Accept-Encoding": "identity", "User-Agent": "omlzoo"}
    headers |= {asked: known[name] for name, asked in VALIDATORS.items() if known.get(name)}
    url, private = str(address), is_private(address.host)
    try:
        with httpx.Client(follow_redirects=False, timeout=TIMEOUT) as client:
            for _ in range(REDIRECTS + 1):
                with client.stream("GET", url, headers=headers) as answer:
                    if answer.next_request is not None:
                        url = _redirected(address, str(answer.next_request.url), private)
                        continue
                    return _taken(address, answer, kept, largest)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise _Transient(f"it cannot be reached ({reason})") from error
    raise BadImage(f"{address}: more than {REDIRECTS} redirects")


def _redirected(address: Address, url: str, private: bool) -> str:
    """Where a redirect leads, if it may be followed."""
    try:
        other = parse_address(url)
    except BadInput as error:
        raise BadImage(f"{address}: redirects to {url}, which is not followed ({error})") from error
    if other.place != address.place:
        raise BadImage(f"{address}: redirects to another host, {other.place}, which is not followed; give that address")
    if not private and is_private.__wrapped__(other.host):
        raise BadImage(f"{address}: redirects to a private address, which is not followed")
    return url


@lru_cache(1024)
def is_private(host: str) -> bool:
    """Whether a host is of this machine or a local network, as far as its name can be resolved."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    try:
        found = {str(answer[4][0]) for answer in socket.getaddrinfo(name.strip("[]"), 443, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return any(not ip_address(one.partition("%")[0]).is_global for one in found)


def _taken(address: Address, answer: Any, kept: Path, largest: int | None) -> dict[str, Any] | None:
    """Write what the server sends; None where it says that the copy is what it has."""
    if answer.status_code == 304:
        return None
    if answer.status_code in AGAIN:
        wait = answer.headers.get("retry-after", "")
        raise _Transient(f"the server answers {answer.status_code}", float(wait) if wait.isdecimal() else 0.0)
    if answer.status_code != 200:
        meaning = MEANING.get(answer.status_code, answer.reason_phrase or "no file")
        raise BadImage(f"{address}: the server answers {answer.status_code} ({meaning})")
    start, size = time.monotonic(), 0
    _check_largest(address, int(answer.headers.get("content-length") or 0), largest)
    with new_file(kept) as temporary, temporary.open("wb") as file:
        for block in answer.iter_bytes(BLOCK):
            size += len(block)
            _check_largest(address, size, largest)
            passed = time.monotonic() - start
            if passed > PATIENCE and size < SLOWEST * passed:
                raise BadImage(f"{address}: is too slow, {size:,} bytes in {passed:.0f} s")
            file.write(block)
    return {"size": size, **{name: answer.headers[name] for name in VALIDATORS if name in answer.headers}}


def _check_largest(address: Address, size: int, largest: int | None) -> None:
    if largest is not None and size > largest:
        raise BadImage(f"{address}: more than {largest:,} bytes, the most that a picture's file may have")


def _client(scheme: str) -> Any:
    import fsspec

    try:
        return fsspec.filesystem(scheme)
    except ImportError as error:
        raise MissingExtra(CLIENTS[scheme], "remote") from error


def _by_fsspec(address: Address, kept: Path, known: dict[str, Any], largest: int | None) -> dict[str, Any] | None:
    client, name = _client(address.scheme), f"{address.host}/{address.path}"
    try:
        facts = client.info(name)
        mark = str(facts.get("ETag") or facts.get("etag") or facts.get("LastModified") or facts.get("created") or "")
        if known and mark and known.get("etag") == mark:
            return None
        _check_largest(address, int(facts.get("size") or 0), largest)
        with new_file(kept) as temporary:
            client.get_file(name, str(temporary))
            size = temporary.stat().st_size
            _check_largest(address, size, largest)
        return {"size": size, "etag": mark}
    except FileNotFoundError as error:
        raise BadImage(f"{address}: there is no such file") from error
    except PermissionError as error:
        raise BadImage(f"{address}: without permission ({error})") from error
    except (BadImage, MissingExtra):
        raise
    except Exception as error:  # clients raise classes of their own
        raise _Transient(f"it cannot be read ({type(error).__name__}: {error})") from error

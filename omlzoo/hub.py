"""Weights from the Hugging Face Hub, from the authors' own file, or from the package: verified, or an error.

The only place with network. The Hub client does not check content, so the sha256 of every file is computed here; a
file that was verified once is not hashed again while its size and time of change stay the same.
"""

import hashlib
import json
import os
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NoReturn

import torch
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from omlzoo import checkpoint, layouts, manifest
from omlzoo.atomic import new_file
from omlzoo.errors import BadEntry, OmlzooWarning, WeightsMismatch, WeightsUnavailable
from omlzoo.manifest import Entry, Upstream
from omlzoo.progress import TerminalBar, bar

__all__ = ["fetch", "fetch_entry", "home", "verify"]

CHUNK = 1 << 20  # bytes
STALE = 3600  # seconds after which a half file is nobody's any more


def home() -> Path:
    """Our own cache: ``OMLZOO_HOME``, or ``omlzoo`` in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("OMLZOO_HOME") or Path(cache) / "omlzoo")


def fetch(entry: Entry, progress: bool = True) -> Path:
    """The local, verified safetensors file of an entry: from a cache if it is there, else downloaded.

    Args:
        entry: Says where the file is and what its content must be.
        progress: Draw a bar where standard error is a terminal.

    Raises:
        WeightsUnavailable: It cannot be had, or its bytes are not the promised ones; the bad file is removed.
    """
    if entry.repo is not None and entry.file is not None:
        path = _download(entry.repo, entry.file, entry.revision, entry.name, progress)
        return _verify_hub_file(entry, path)
    if entry.upstream is not None:
        return _converted(entry, entry.upstream, progress)
    if entry.file is None:
        raise WeightsUnavailable(f"{entry.name}: its entry names no repository, upstream file or bundled file")
    path = manifest.folder() / "bundled" / entry.file
    if not path.is_file():
        raise WeightsUnavailable(f"{entry.name}: {path} is missing; install omlzoo again")
    if entry.sha256 is None:
        raise WeightsUnavailable(f"{entry.name}: a bundled file needs a sha256 in its entry")
    return verify(path, entry.sha256, entry.name, remedy="install omlzoo again")


def fetch_entry(repo: str, progress: bool = True) -> Entry:
    """The entry of someone's Hub repository that holds our ``entry.json`` and ``model.safetensors``.

    Raises:
        WeightsUnavailable: It cannot be had.
        BadEntry: It does not follow the schema.
    """
    path = _download(repo, checkpoint.ENTRY, None, repo, progress)
    entry = manifest.read(path)
    if entry.file is None or entry.sha256 is None:
        raise BadEntry(
            f"hf-hub:{repo}: its entry.json lacks file or sha256; save the model again and upload both files"
        )
    commit = path.parent.name  # the snapshot folder is named by the commit
    revision = commit if len(commit) == 40 else None
    return replace(entry, repo=repo, revision=revision, upstream=None)


def verify(path: Path, sha256: str, name: str, remedy: str) -> Path:
    """The same path, if the content has that sha256; computed only where size or time of change are new.

    Raises:
        WeightsUnavailable: It has another one.
    """
    stat = path.stat()
    seen = {"path": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256}
    record = home() / "verified" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
    try:
        if json.loads(record.read_text()) == seen:
            return path
    except (OSError, ValueError):
        pass  # no record, or a damaged one: the file is hashed
    found = checkpoint.digest(path)
    if found != sha256:
        raise WeightsUnavailable(
            f"{name}: {path} has sha256 {found[:16]}..., the entry says {sha256[:16]}...; {remedy}"
        )
    try:
        with new_file(record) as temporary:
            temporary.write_text(json.dumps(seen))
    except OSError as error:
        warnings.warn(
            f"{home()} cannot be written ({error}), so weights are hashed at every load; set OMLZOO_HOME",
            OmlzooWarning,
            stacklevel=2,
        )
    return path


def _verify_hub_file(entry: Entry, path: Path) -> Path:
    blob = path.resolve()
    announced = blob.name if len(blob.name) == 64 else None  # the Hub names large files by their sha256
    expected = entry.sha256 or announced
    if entry.sha256 is None or entry.revision is None:
        said = (
            "against the hash that the Hub announced" if announced else "against nothing: the Hub announced no sha256"
        )
        checked = "against the sha256 of the entry" if entry.sha256 else said
        missing = " and ".join(key for key in ("revision", "sha256") if getattr(entry, key) is None)
        warnings.warn(
            f"{entry.name} is unpinned: its entry has no {missing}; {entry.file} was checked {checked}",
            OmlzooWarning,
            stacklevel=4,
        )
    if expected is None:
        return path
    try:
        return verify(path, expected, entry.name, remedy="the file was removed; fetch it again")
    except WeightsUnavailable:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise


def _download(repo: str, file: str, revision: str | None, name: str, progress: bool) -> Path:
    where = f"{repo}@{(revision or 'main')[:12]}/{file}"
    before = _half_files(repo)
    for path in before:
        if time.time() - path.stat().st_mtime > STALE:
            path.unlink(missing_ok=True)
    try:
        return Path(hf_hub_download(repo, file, revision=revision, tqdm_class=TerminalBar if progress else _NoBar))
    except BaseException as error:
        for path in _half_files(repo) - before:
            path.unlink(missing_ok=True)
        if not isinstance(error, Exception):  # Ctrl-C
            raise
        _explain(error, name, where, repo)


def _explain(error: Exception, name: str, where: str, repo: str) -> NoReturn:
    """Raise the one error that says what to do; anything but a failed download is raised as it came."""
    hub = constants.ENDPOINT
    if isinstance(error, HFValidationError):
        said = f"{repo!r} is no repository name; write organisation/name"
    elif isinstance(error, GatedRepoError):
        said = f"{repo} is gated; accept its licence at {hub}/{repo}, then log in with `hf auth login` or set HF_TOKEN"
    elif isinstance(error, RepositoryNotFoundError):
        said = f"{hub} has no repository {repo}, or it is private; check the name, or set HF_TOKEN"
    elif isinstance(error, RevisionNotFoundError):
        said = f"{repo} has no such revision; check the entry's revision"
    elif isinstance(error, LocalEntryNotFoundError):
        cause = error.__cause__
        if isinstance(cause, OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
            said = "not in the local cache, and HF_HUB_OFFLINE is set; unset it once, or copy the file into the cache"
        elif isinstance(cause, HfHubHTTPError):
            said = f"not in the local cache, and {hub} answered {_status(cause)}; try again later, or set HF_ENDPOINT"
        else:
            said = f"not in the local cache, and {hub} cannot be reached; connect once, or set HF_ENDPOINT to a mirror"
    elif isinstance(error, EntryNotFoundError):
        said = f"{repo} has no such file; check the entry's file"
    elif isinstance(error, HfHubHTTPError):
        said = f"{hub} answered {_status(error)}; try again later, or set HF_TOKEN or HF_ENDPOINT"
    elif isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "httpcore", "requests")):
        reason = str(error).splitlines()[0] if str(error) else ""
        said = f"the download broke off ({type(error).__name__}: {reason}); try again"
    else:
        raise error
    raise WeightsUnavailable(f"{name}: {where}: {said}") from error


def _status(error: HfHubHTTPError) -> str:
    code = getattr(error.response, "status_code", None)
    meaning = {401: " (not logged in)", 403: " (forbidden)", 429: " (too many requests)"}
    return f"{code}{meaning.get(code or 0, '')}"


def _half_files(repo: str) -> set[Path]:
    """What broken downloads left in the client's cache; it never resumes them."""
    return set((Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "blobs").glob("*.incomplete"))


def _converted(entry: Entry, upstream: Upstream, progress: bool) -> Path:
    """The authors' file as safetensors in our cache: downloaded, checked and converted at the first call."""
    folder = home() / "converted" / entry.name
    if (folder / checkpoint.ENTRY).is_file():
        local = checkpoint.open_entry(folder)
        if local.upstream == upstream and local.sha256 is not None and (folder / checkpoint.WEIGHTS).is_file():
            return verify(
                folder / checkpoint.WEIGHTS,
                local.sha256,
                entry.name,
                remedy=f"remove {folder} and fetch again",
            )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download.", dir=folder) as scratch:
        file = Path(scratch) / "upstream"
        _download_url(upstream.url, file, entry.name, progress)
        _check_published_hash(upstream, file, entry.name)
        state = layouts.convert(read_pickle(file, entry.name), upstream.layout, entry.name)
        checkpoint.save(state, entry, folder, overwrite=True)
    return folder / checkpoint.WEIGHTS


def read_pickle(path: Path, name: str) -> dict[str, Any]:
    """The tensors and plain values of a ``.pth`` file; nothing in it is run.

    Raises:
        WeightsMismatch: It is no such file, or holds other objects.
    """
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise WeightsMismatch(
            f"{name}: {path.name} is no checkpoint of plain tensors, and other pickled objects are not loaded "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); ask for a safetensors file"
        ) from error
    if not isinstance(raw, dict):
        raise WeightsMismatch(f"{name}: {path.name} holds a {type(raw).__name__}; a dict of tensors is wanted")
    return raw


def _download_url(url: str, path: Path, name: str, progress: bool) -> None:
    if constants.HF_HUB_OFFLINE:
        raise WeightsUnavailable(
            f"{name}: {url} is not in the local cache, and HF_HUB_OFFLINE is set; unset it once, "
            f"or copy {home() / 'converted' / name} from another machine"
        )
    try:
        with (
            urllib.request.urlopen(url, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as answer,
            path.open("wb") as file,
            bar(int(answer.headers.get("Content-Length") or 0), name, "B", progress) as drawn,
        ):
            while block := answer.read(CHUNK):
                file.write(block)
                drawn.update(len(block))
            promised = answer.headers.get("Content-Length")
        if promised is not None and path.stat().st_size != int(promised):
            raise OSError(f"{path.stat().st_size} of {promised} bytes came")
    except urllib.error.HTTPError as error:
        raise WeightsUnavailable(f"{name}: {url} answered {error.code} ({error.reason}); try again later") from error
    except (OSError, HTTPException) as error:
        raise WeightsUnavailable(f"{name}: {url} could not be downloaded ({error}); try again") from error


def _check_published_hash(upstream: Upstream, file: Path, name: str) -> None:
    if upstream.hash is None:
        warnings.warn(f"{name} is unpinned: nobody published a hash of {upstream.url}", OmlzooWarning, stacklevel=5)
        return
    algorithm, _, published = upstream.hash.partition(":")
    found = checkpoint.digest(file, algorithm)
    if not found.startswith(published):
        raise WeightsUnavailable(
            f"{name}: {upstream.url} has {algorithm} {found[:16]}..., published is {published}; "
            "the download was removed; try again, and if it stays so the file is not the authors'"
        )


class _NoBar(TerminalBar):
    """Never draws."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"disable": True}))

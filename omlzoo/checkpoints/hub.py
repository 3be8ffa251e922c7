"""The Hugging Face Hub and plain URLs: the only place with network. What comes is not verified here."""

import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn

from huggingface_hub import CommitOperationAdd, HfApi, constants, hf_hub_download, try_to_load_from_cache
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
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from omlzoo.errors import WeightsUnavailable
from omlzoo.progress import TerminalBar, bar

__all__ = ["cached", "download", "download_first", "download_url", "offline", "settings", "upload"]

CHUNK = 1 << 20  # bytes
STALE = 3600  # seconds after which a half file is nobody's any more
TRIES = 5
BUSY = (429, 500, 502, 503, 504)  # answers after which it is worth to ask again
PATIENCE = 30  # seconds at most between two tries


def offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids the network."""
    return bool(constants.HF_HUB_OFFLINE)


def download(repo: str, file: str, revision: str | None, name: str, progress: bool) -> Path:
    """A file of a Hub repository in the client's cache, where the snapshot's folder is named by the commit.

    Args:
        repo: "organisation/name".
        file: In the repository.
        revision: A commit, branch or tag; None is the main branch.
        name: Of the checkpoint, for messages.
        progress: Draw a bar where standard error is a terminal.

    Raises:
        WeightsUnavailable: It cannot be had; the message says why and what to do. No half file is left.
    """
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
        raise _NoSuchFile(f"{name}: {where}: {repo} has no such file; check the entry's file") from error
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


def download_first(repo: str, files: Sequence[str], name: str, progress: bool) -> Path:
    """The first of these files that the main branch of a repository has.

    Raises:
        WeightsUnavailable: It has none of them, or they cannot be had.
    """
    for file in files:
        try:
            return download(repo, file, None, name, progress)
        except _NoSuchFile:
            continue
    raise WeightsUnavailable(f"{name}: {repo} has neither of {', '.join(files)}; it is no checkpoint that opens here")


def cached(repo: str, file: str, revision: str | None) -> Path | None:
    """Where the client has that file, without asking anybody; None where it has not."""
    found = try_to_load_from_cache(repo, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


def upload(repo: str, files: Mapping[str, Path | bytes], message: str, private: bool) -> str:
    """Put files into a repository in one commit, which is made where needed; returns the commit's address.

    Raises:
        WeightsUnavailable: The Hub refuses, or cannot be reached; the message says why and what to do.
    """
    operations = [
        CommitOperationAdd(path_in_repo=path, path_or_fileobj=content if isinstance(content, bytes) else str(content))
        for path, content in files.items()
    ]
    client = HfApi()
    quiet = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if quiet:
        disable_progress_bars()
    try:
        client.create_repo(repo, private=private, exist_ok=True)
        return str(client.create_commit(repo, operations, commit_message=message).commit_url)
    except Exception as error:
        _explain(error, repo, f"pushing to {constants.ENDPOINT}", repo)
    finally:
        if quiet:
            enable_progress_bars()


def settings() -> dict[str, str]:
    """The client's settings that decide where files come from and go to."""
    return {"HF_HUB_CACHE": constants.HF_HUB_CACHE, "HF_ENDPOINT": constants.ENDPOINT,
            "HF_HUB_OFFLINE": "yes" if offline() else "no"}  # fmt: skip


def download_url(url: str, path: Path, name: str, progress: bool) -> None:
    """Write what a URL answers to ``path``; a body that breaks off is continued where it did, if the server can.

    Raises:
        WeightsUnavailable: It cannot be had; the message says why and what to do.
    """
    if offline():
        raise WeightsUnavailable(
            f"{name}: {url} is not in the local cache, and HF_HUB_OFFLINE is set; unset it once, "
            f"or bring the weights from another machine with `omlzoo fetch {name} --to` and `--from`"
        )
    path.touch()
    for attempt in range(1, TRIES + 1):
        try:
            _continue(url, path, name, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code not in BUSY or attempt == TRIES:
                said = f"{name}: {url} answered {error.code} ({error.reason}); try again later"
                raise WeightsUnavailable(said) from error
            asked = error.headers.get("Retry-After") or ""
            time.sleep(min(PATIENCE, int(asked) if asked.isdecimal() else 2 ** (attempt - 2)))
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) and not isinstance(error, ConnectionError | TimeoutError | ssl.SSLError):
                raise  # it is the disk
            if attempt == TRIES or isinstance(error, urllib.error.URLError):
                raise WeightsUnavailable(f"{name}: {url} could not be downloaded ({error}); try again") from error


def _continue(url: str, path: Path, name: str, progress: bool) -> None:
    """One request for what is still missing."""
    have = path.stat().st_size
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as answer:
        if have and answer.status != 206:  # the server starts anew, so do we
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with path.open("r+b") as file, bar(total, name, "B", progress) as drawn:
            file.truncate(have)
            file.seek(have)
            drawn.update(have)
            while block := answer.read(CHUNK):
                file.write(block)
                drawn.update(len(block))
    if total and path.stat().st_size != total:
        raise HTTPException(f"{path.stat().st_size} of {total} bytes came")


class _NoSuchFile(WeightsUnavailable):
    """The repository is there, the file is not."""


class _NoBar(TerminalBar):
    """Never draws."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"disable": True}))

"""Downloads from the Hugging Face Hub and from plain URLs, and uploads to the Hub.

This is the only module of the package that uses the network for weights. Downloaded files are not verified here.
"""

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

from omlzoo.checkpoints.reachability import unreachable, ways_on
from omlzoo.errors import WeightsUnavailable
from omlzoo.progress import TerminalBar, bar

__all__ = [
    "NoSuchFile", "cached", "download", "download_first", "download_url", "main_file", "offline", "settings", "upload",
]  # fmt: skip

CHUNK = 1 << 20  # bytes
STALE = 3600  # age in seconds after which a partial file is taken to be abandoned
TRIES = 5  # requests for one file before an error is raised
BUSY = (429, 500, 502, 503, 504)  # HTTP status codes after which a request is repeated
PUSHING = "pushing to "
PATIENCE = 30  # longest wait between two requests, in seconds


def offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids the network."""
    return bool(constants.HF_HUB_OFFLINE)


def download(repo: str, file: str, revision: str | None, name: str, progress: bool) -> Path:
    """Download a file of a Hub repository into the Hub client's cache, or find it there.

    Args:
        repo: Hugging Face Hub repository, "organisation/name".
        file: Path of the file in the repository.
        revision: A commit, branch or tag; None is the main branch.
        name: Name of the checkpoint, for error messages.
        progress: Whether to show a progress bar, if standard error is a terminal.

    Returns:
        The file in the client's cache. The folder it lies in is named by the commit.

    Raises:
        WeightsUnavailable: The file cannot be fetched; the message says why and what to do. No partial file is left.
    """
    where = f"{repo}@{(revision or 'main')[:12]}/{file}"
    known = cached(repo, file, revision)
    asks = not offline() and (known is None or len(revision or "") != 40)  # a commit's file is not asked for again
    if asks and (reason := unreachable(constants.ENDPOINT)) is not None:
        if known is not None:
            return known
        raise WeightsUnavailable(
            f"{name}: {where}: not in the local cache, and {ways_on(constants.ENDPOINT, reason, name)}"
        )
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
    """Raise WeightsUnavailable with a remedy for a failed request; other errors are raised unchanged."""
    hub = constants.ENDPOINT
    if isinstance(error, HFValidationError):
        reason = f"{repo!r} is no repository name; write organisation/name"
    elif isinstance(error, GatedRepoError):
        reason = (
            f"{repo} is gated; accept its licence at {hub}/{repo}, then log in with `hf auth login` or set HF_TOKEN"
        )
    elif isinstance(error, RepositoryNotFoundError):
        reason = f"{hub} has no repository {repo}, or it is private; check the name, or set HF_TOKEN"
    elif isinstance(error, RevisionNotFoundError):
        reason = f"{repo} has no such revision; check the entry's revision"
    elif isinstance(error, LocalEntryNotFoundError):
        cause = error.__cause__
        if isinstance(cause, OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
            reason = "not in the local cache, and HF_HUB_OFFLINE is set; unset it once, or copy the file into the cache"
        elif isinstance(cause, HfHubHTTPError):
            reason = f"not in the local cache, and {hub} answered {_status(cause)}; try again later, or set HF_ENDPOINT"
        else:
            reason = f"not in the local cache, and {ways_on(hub, type(cause).__name__, name)}"
    elif isinstance(error, EntryNotFoundError):
        raise NoSuchFile(f"{name}: {where}: {repo} has no such file; check the entry's file") from error
    elif isinstance(error, HfHubHTTPError):
        reason = f"{hub} answered {_status(error)}; try again later, or set HF_TOKEN or HF_ENDPOINT"
    elif isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "httpcore", "requests")):
        detail = str(error).splitlines()[0] if str(error) else ""
        act = "upload" if where.startswith(PUSHING) else "download"
        reason = f"the {act} broke off ({type(error).__name__}: {detail}); try again"
    else:
        raise error
    raise WeightsUnavailable(f"{name}: {where}: {reason}") from error


def _status(error: HfHubHTTPError) -> str:
    code = getattr(error.response, "status_code", None)
    meaning = {401: " (not logged in)", 403: " (forbidden)", 429: " (too many requests)"}
    return f"{code}{meaning.get(code or 0, '')}"


def _half_files(repo: str) -> set[Path]:
    """Partial files of broken downloads in the client's cache, which the client never resumes."""
    return set((Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "blobs").glob("*.incomplete"))


def download_first(repo: str, files: Sequence[str], name: str, progress: bool) -> Path:
    """Download the first of several files that the main branch of a repository has.

    Args:
        repo: Hugging Face Hub repository, "organisation/name".
        files: Paths in the repository, in order of preference.
        name: Name of the checkpoint, for error messages.
        progress: Whether to show a progress bar, if standard error is a terminal.

    Returns:
        The file in the Hub client's cache.

    Raises:
        WeightsUnavailable: The repository has none of the files, or cannot be reached.
    """
    for file in files:
        try:
            return download(repo, file, None, name, progress)
        except NoSuchFile:
            continue
    raise WeightsUnavailable(f"{name}: {repo} has neither of {', '.join(files)}; it is no checkpoint that opens here")


def cached(repo: str, file: str, revision: str | None) -> Path | None:
    """The path of a file in the Hub client's cache, or None if it is not there. Nothing is downloaded.

    Args:
        repo: Hugging Face Hub repository, "organisation/name".
        file: Path of the file in the repository.
        revision: A commit, branch or tag; None is the main branch.
    """
    path = try_to_load_from_cache(repo, file, revision=revision)
    return Path(path) if isinstance(path, str) else None


def main_file(repo: str, file: str) -> Path | None:
    """A file of the main branch of a repository, as it is now; None where there is no such repository or file.

    Args:
        repo: Hugging Face Hub repository, "organisation/name".
        file: Path of the file in the repository.

    Raises:
        WeightsUnavailable: The Hub cannot be reached.
    """
    try:
        if not HfApi().file_exists(repo, file):
            return None
    except Exception as error:
        _explain(error, repo, f"{constants.ENDPOINT}/{repo}/{file}", repo)
    return download(repo, file, None, repo, False)


def upload(repo: str, files: Mapping[str, Path | bytes], message: str, private: bool) -> str:
    """Upload files to a Hub repository in one commit. The repository is made if it does not exist.

    Args:
        repo: Hugging Face Hub repository, "organisation/name".
        files: Local files, or contents, by their paths in the repository.
        message: Commit message.
        private: Whether the repository is private, if it is made.

    Returns:
        The URL of the commit.

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
        _explain(error, repo, f"{PUSHING}{constants.ENDPOINT}", repo)
    finally:
        if quiet:
            enable_progress_bars()


def settings() -> dict[str, str]:
    """Settings of the Hub client: its cache folder, the address of the Hub, and whether it is offline."""
    return {"HF_HUB_CACHE": constants.HF_HUB_CACHE, "HF_ENDPOINT": constants.ENDPOINT,
            "HF_HUB_OFFLINE": "yes" if offline() else "no"}  # fmt: skip


def download_url(url: str, path: Path, name: str, progress: bool) -> None:
    """Download a URL to a file. A download that breaks off is continued where it stopped, if the server supports that.

    Args:
        url: Address of the file.
        path: The local file to write. Content that it already has is taken as the beginning of the download.
        name: Name of the checkpoint, for error messages and the progress bar.
        progress: Whether to show a progress bar, if standard error is a terminal.

    Raises:
        WeightsUnavailable: The file cannot be downloaded; the message says why and what to do.
    """
    if offline():
        raise WeightsUnavailable(
            f"{name}: {url} is not in the local cache, and HF_HUB_OFFLINE is set; unset it once, "
            f"or bring the weights from another machine with `omlzoo fetch {name} --to` and `--from`"
        )
    if (reason := unreachable(url)) is not None:
        raise WeightsUnavailable(f"{name}: {ways_on(url, reason, name)}")
    path.touch()
    for attempt in range(1, TRIES + 1):
        try:
            _continue(url, path, name, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code not in BUSY or attempt == TRIES:
                message = f"{name}: {url} answered {error.code} ({error.reason}); try again later"
                raise WeightsUnavailable(message) from error
            seconds = error.headers.get("Retry-After") or ""
            time.sleep(min(PATIENCE, int(seconds) if seconds.isdecimal() else 2 ** (attempt - 2)))
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) and not isinstance(error, ConnectionError | TimeoutError | ssl.SSLError):
                raise  # an error of the local disk, not of the connection
            if attempt == TRIES or isinstance(error, urllib.error.URLError):
                raise WeightsUnavailable(f"{name}: {url} could not be downloaded ({error}); try again") from error


def _continue(url: str, path: Path, name: str, progress: bool) -> None:
    """Make one request for the bytes that the file still lacks, and append them."""
    have = path.stat().st_size
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as answer:
        if have and answer.status != 206:  # the server sends the whole file again
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with path.open("r+b") as file, bar(total, name, "B", progress) as progress_bar:
            file.truncate(have)
            file.seek(have)
            progress_bar.update(have)
            while block := answer.read(CHUNK):
                file.write(block)
                progress_bar.update(len(block))
    if total and path.stat().st_size != total:
        raise HTTPException(f"{path.stat().st_size} of {total} bytes came")


class NoSuchFile(WeightsUnavailable):
    """The repository exists, but does not have the file."""


class _NoBar(TerminalBar):
    """A progress bar that is never shown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"disable": True}))

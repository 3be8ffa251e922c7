"""Getting the verified local file of an entry: from the cache, packages, the Hub, mirrors or the authors' site."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omlzoo.checkpoints import cache, hub, manifest, timm_config
from omlzoo.checkpoints.entry import HUB, Entry, read_entry
from omlzoo.checkpoints.folder import ENTRY, TOKENIZER, WEIGHTS, copy_folder, open_entry, save_folder, weights_of
from omlzoo.checkpoints.package import is_installed, locate
from omlzoo.checkpoints.sources import Package, Upstream
from omlzoo.errors import BadEntry, WeightsUnavailable, notice
from omlzoo.files import file_digest, settled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["fetch_entry", "fetch_weights", "install_bundle", "install_weights", "present"]


def fetch_weights(entry: Entry, progress: bool = True, afresh: bool = False) -> Path:
    """The verified local safetensors file of an entry, from the cache if it is there, otherwise downloaded.

    Sources are tried in order: the own cache folder, an installed package, the Hub, the entry's mirrors, the authors'
    file. If a source fails and a later one succeeds, a warning names the failure.

    Args:
        entry: The entry, which holds the addresses of the file and its sha256.
        progress: Whether to show a progress bar during a download, if standard error is a terminal.
        afresh: Compute the sha256 even if the file was verified before.

    Raises:
        WeightsUnavailable: No source has the file, or its content has another sha256; such a file is removed.
    """
    if entry.repo is None and entry.upstream is None and entry.package is None and not entry.mirrors:
        return _bundled(entry, afresh)
    if (local := cache.kept(entry)) is not None:
        return _own(entry, local, afresh)
    sources: list[Callable[[], Path]] = []
    if entry.package is not None:
        sources.append(partial(_from_package, entry, entry.package, afresh))
    if entry.repo is not None and entry.file is not None:
        sources.append(partial(_from_hub, entry, entry.repo, entry.file, progress, afresh))
    if entry.sha256 is not None:
        sources += [partial(_from_mirror, entry, url, entry.sha256, progress) for url in entry.mirrors]
    if entry.upstream is not None:
        sources.append(partial(_from_authors, entry, entry.upstream, progress))
    refusals: list[WeightsUnavailable] = []
    for source in sources:
        try:
            path = source()
        except WeightsUnavailable as error:
            refusals.append(error)
            continue
        for refusal in refusals:
            notice(f"{refusal}. Another source served")
        return path
    if len(refusals) == 1:
        raise refusals[0]
    reasons = "; ".join(str(refusal).removeprefix(f"{entry.name}: ") for refusal in refusals)
    raise WeightsUnavailable(f"{entry.name}: none of its {len(refusals)} sources served: {reasons}") from refusals[0]


def present(entry: Entry) -> tuple[Path | None, str | None]:
    """The local file of an entry's weights, or None, and the sha256 that it should have, or None if it is not known.

    Nothing is downloaded.
    """
    own = cache.kept(entry)
    if own is not None:
        return weights_of(cache.folder(entry.name)), own.sha256
    if entry.repo is not None and entry.file is not None:
        path = hub.cached(entry.repo, entry.file, entry.revision)
        announced = path.resolve().name if path and len(path.resolve().name) == 64 else None
        return path, announced if announced and entry.pin == "one source" else entry.sha256 or announced
    if entry.package is not None and entry.package.file.endswith(".safetensors") and is_installed(entry.package):
        return locate(entry.package, entry.name), entry.package.sha256
    bundled = manifest.folder() / "bundled" / (entry.file or "")
    return (bundled, entry.sha256) if entry.file and bundled.is_file() else (None, None)


def fetch_entry(repo: str, progress: bool = True) -> Entry:
    """The entry of a Hub repository, from its ``entry.json`` or, for a plain timm repository, its ``config.json``.

    Args:
        repo: Hugging Face Hub repository, "organisation/name".
        progress: Whether to show a progress bar during a download, if standard error is a terminal.

    Raises:
        WeightsUnavailable: The repository has neither file, or cannot be reached.
        BadEntry: The entry does not follow the schema, or lacks the name or sha256 of its file, or the timm model is
            none that the installed timm registers.
    """
    path = hub.download_first(repo, (ENTRY, "config.json"), f"{HUB}{repo}", progress)
    commit = path.parent.name  # the name of the snapshot folder is the commit
    revision = commit if len(commit) == 40 else None
    if path.name != ENTRY:
        return replace(timm_config.from_config(path.read_bytes(), repo), revision=revision)
    entry = read_entry(path)
    if entry.file is None or entry.sha256 is None:
        raise BadEntry(f"{HUB}{repo}: its entry.json lacks file or sha256; save the model again and upload both files")
    text = entry.text
    if text is not None and text.beside:  # the repository has the files of the folder
        tokenizer = replace(text.tokenizer, repo=repo, revision=revision, file=TOKENIZER)
        text = replace(text, repo=repo, revision=revision, tokenizer=tokenizer)
    return replace(entry, repo=repo, revision=revision, upstream=None, mirrors=(), text=text)


def install_weights(entry: Entry, bundle: Path) -> Path:
    """Verify the weights in a folder that ``omlzoo fetch --to`` wrote, and copy them into the own cache folder.

    Args:
        entry: The entry of a checkpoint of the zoo.
        bundle: Folder that holds ``<name>/model.safetensors`` and ``<name>/entry.json``.

    Returns:
        The file in the own cache folder.

    Raises:
        WeightsUnavailable: The bundle does not have the weights, or they are not those of the entry.
    """
    return install_bundle(entry, bundle, f"omlzoo fetch {entry.name} --to {bundle}")


def install_bundle(entry: Entry, bundle: Path, wrote: str) -> Path:
    """Verify ``<name>/model.safetensors`` of a bundle and copy it, with its entry, into the own cache folder.

    Args:
        entry: The entry of the weights that are needed.
        bundle: Folder that holds ``<name>/model.safetensors`` and ``<name>/entry.json``.
        wrote: The command that writes such a bundle, for the error message.

    Returns:
        The file in the own cache folder.

    Raises:
        WeightsUnavailable: The bundle does not have the weights, or they are not those of the entry.
    """
    source = bundle / entry.name
    if not weights_of(source).exists():
        raise WeightsUnavailable(
            f"{entry.name}: {source} has no {WEIGHTS}; write it with `{wrote}` where there is network"
        )
    theirs = open_entry(source)
    if theirs.sha256 is None or not cache.serves(theirs, entry):
        raise WeightsUnavailable(f"{entry.name}: {source} holds other weights than the entry promises; write it again")
    path = weights_of(source)
    cache.verify(path, theirs.sha256, entry.name, remedy="copy the bundle again", afresh=True, size=theirs.size)
    with cache.work(entry.name):
        copy_folder(path, theirs, cache.folder(entry.name))
    return cache.folder(entry.name) / WEIGHTS


def _bundled(entry: Entry, afresh: bool) -> Path:
    if entry.file is None:
        raise WeightsUnavailable(f"{entry.name}: its entry names no repository, upstream file or bundled file")
    path = manifest.folder() / "bundled" / entry.file
    if not path.is_file():
        raise WeightsUnavailable(f"{entry.name}: {path} is missing; install omlzoo again")
    if entry.sha256 is None:
        raise WeightsUnavailable(f"{entry.name}: a bundled file needs a sha256 in its entry")
    return cache.verify(path, entry.sha256, entry.name, "install omlzoo again", afresh, entry.size)


def _own(entry: Entry, local: Entry, afresh: bool) -> Path:
    path = weights_of(cache.folder(entry.name))
    if local.sha256 is None:
        raise WeightsUnavailable(f"{entry.name}: {path.parent / ENTRY} has no sha256; remove that folder")
    try:
        return cache.verify(path, local.sha256, entry.name, "the file was removed; fetch again", afresh, local.size)
    except WeightsUnavailable:
        path.unlink(missing_ok=True)
        settled(path.parent, ENTRY, ENTRY).unlink(missing_ok=True)
        raise


def _from_package(entry: Entry, package: Package, afresh: bool) -> Path:
    """The file of an installed distribution, or what was converted from it at the first call into the cache folder."""
    path = locate(package, entry.name)
    remedy = f"run: pip install --force-reinstall '{package.distribution}=={package.version}'"
    cache.verify(path, package.sha256, entry.name, remedy, afresh, package.size)
    if path.suffix == ".safetensors":
        return path
    with cache.work(entry.name):
        if cache.kept(entry) is None:
            from omlzoo.checkpoints.state_dict import check_finite

            state = _converted(path, entry.layout, entry.name)
            check_finite(state, entry.name)
            local = replace(entry, repo=None, revision=None, layout=None)
            save_folder(state, local, cache.folder(entry.name), overwrite=True)
    return cache.folder(entry.name) / WEIGHTS


def _from_hub(entry: Entry, repo: str, file: str, progress: bool, afresh: bool) -> Path:
    path = hub.download(repo, file, entry.revision, entry.name, progress)
    blob = path.resolve()
    announced = blob.name if len(blob.name) == 64 else None  # the name of a large file in the Hub's cache is its sha256
    expected = entry.sha256 or announced
    if entry.pin == "one source" and announced not in (None, entry.sha256):
        expected = announced
        notice(
            f"{entry.name}: the Hub announces sha256 {str(announced)[:16]}... for {file}, the entry says "
            f"{str(entry.sha256)[:16]}..., which one source only has said; the file is taken as the Hub announces it"
        )
    if entry.sha256 is None or entry.revision is None:
        otherwise = (
            "against the hash that the Hub announced" if announced else "against nothing: the Hub announced no sha256"
        )
        checked = "against the sha256 of the entry" if entry.sha256 else otherwise
        missing = " and ".join(key for key in ("revision", "sha256") if getattr(entry, key) is None)
        notice(f"{entry.name} is unpinned: its entry has no {missing}; {file} was checked {checked}")
    if expected is None:
        return path
    try:
        size = entry.size if entry.sha256 == expected else None
        return cache.verify(path, expected, entry.name, "the file was removed; fetch it again", afresh, size)
    except WeightsUnavailable:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise


def _from_mirror(entry: Entry, url: str, sha256: str, progress: bool) -> Path:
    with cache.work(entry.name) as scratch:
        hub.download_url(url, scratch / WEIGHTS, entry.name, progress)
        remedy = "the download was removed; use another mirror"
        cache.verify(scratch / WEIGHTS, sha256, entry.name, remedy, size=entry.size)
        copy_folder(scratch / WEIGHTS, entry, cache.folder(entry.name))
    return cache.folder(entry.name) / WEIGHTS


def _from_authors(entry: Entry, upstream: Upstream, progress: bool) -> Path:
    """The authors' file as safetensors in the own cache folder: downloaded, checked and converted at the first call."""
    folder = cache.folder(entry.name)
    with cache.work(entry.name) as scratch:
        if cache.kept(entry) is not None:  # another process has fetched it in the meantime
            return folder / WEIGHTS
        file = scratch / "upstream"
        hub.download_url(upstream.url, file, entry.name, progress)
        _check_published_hash(upstream, file, entry.name)
        state = _converted(file, upstream.layout, entry.name)
        save_folder(state, replace(entry, repo=None, revision=None), folder, overwrite=True)
    return folder / WEIGHTS


def _converted(path: Path, layout: str | None, name: str) -> "dict[str, Tensor]":
    """The tensors of a foreign file, whose reader needs torch."""
    from omlzoo.checkpoints import layouts, safe_load

    state = safe_load.open_file(path, name)
    return dict(state) if layout is None else layouts.convert(state, layout, name)


def _check_published_hash(upstream: Upstream, file: Path, name: str) -> None:
    if upstream.hash is None:
        notice(f"{name} is unpinned: nobody published a hash of {upstream.url}")
        return
    algorithm, _, published = upstream.hash.partition(":")
    digest = file_digest(file, algorithm)
    if digest.startswith(published):
        return
    if upstream.pin == "one source" and algorithm == "sha256" and digest[:8] in upstream.url:
        notice(
            f"{name}: {upstream.url} has sha256 {digest[:16]}..., the entry says {published[:16]}..., which one source "
            "only has said; the file is taken, since its name begins with its hash"
        )
        return
    raise WeightsUnavailable(
        f"{name}: {upstream.url} has {algorithm} {digest[:16]}..., published is {published}; "
        "the download was removed; try again, and if it stays so the file is not the authors'"
    )

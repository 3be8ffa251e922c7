"""The files of a text tower and its tokenizer: fetching, verifying, and bundling for a machine without network."""

import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from omlzoo.checkpoints import cache, hub
from omlzoo.checkpoints.entry import Entry, Text, Tokenizer, without_address
from omlzoo.checkpoints.fetch import fetch_weights, install_bundle
from omlzoo.checkpoints.folder import ENTRY, TEXT, TOKENIZER, WEIGHTS, Beside, copy_folder
from omlzoo.checkpoints.package import locate
from omlzoo.errors import BadInput, WeightsUnavailable, notice
from omlzoo.files import file_digest, new_file, settled, writing
from omlzoo.jsonio import read_json

__all__ = ["beside_files", "carry_text", "fetch_text", "fetch_tokenizer", "install_text"]

RULES = "tokenizer.facts.json"


def fetch_text(entry: Entry, text: Text, progress: bool = True, folder: Path | None = None) -> Path:
    """The verified local safetensors file of an entry's text tower, downloaded if it is not in the cache.

    Args:
        entry: The entry of the image tower that the text tower belongs to.
        text: The text tower, usually ``entry.text``.
        progress: Whether to show a progress bar during a download, if standard error is a terminal.
        folder: The folder of the entry, for weights that were opened from one.

    Raises:
        WeightsUnavailable: The file cannot be fetched, or its content has another sha256 than the entry states.
    """
    if text.beside:
        home, name = _home(entry, folder), f"{entry.name}.text"
        path = settled(home, str(text.file), ENTRY)
        return cache.verify(path, str(text.sha256), name, "copy the folder again, as a whole", size=text.size)
    tower = _tower(entry, text)
    for file in text.alternatives:
        try:
            return fetch_weights(tower, progress)
        except hub.NoSuchFile:
            notice(f"{tower.name}: {text.repo} has no {tower.file}; {file} is tried")
            tower = replace(tower, file=file)
    return fetch_weights(tower, progress)


def fetch_tokenizer(entry: Entry, tokenizer: Tokenizer, progress: bool = True, folder: Path | None = None) -> Path:
    """The verified local ``tokenizer.json`` of an entry's text tower, downloaded if it is not in the cache.

    Args:
        entry: The entry of the image tower that the text tower belongs to.
        tokenizer: The tokenizer, usually ``entry.text.tokenizer``.
        progress: Whether to show a progress bar during a download, if standard error is a terminal.
        folder: The folder of the entry, for weights that were opened from one.

    Raises:
        WeightsUnavailable: The file cannot be fetched, or its content has another sha256 than the entry states.
    """
    name = f"{entry.name}.text"
    if entry.text is not None and entry.text.beside:
        path = settled(_home(entry, folder), TOKENIZER, ENTRY)
        return cache.verify(path, str(tokenizer.sha256), name, "copy the folder again, as a whole")
    path = cache.folder(name) / TOKENIZER
    if not _carried(path, tokenizer):
        path = hub.download(tokenizer.repo, tokenizer.file, tokenizer.revision, name, progress)
    if tokenizer.sha256 is None:
        where = f"{tokenizer.repo}/{tokenizer.file}"
        notice(f"{name} is unpinned: its entry has no sha256 of {where}, which was checked against nothing")
        return path
    digest = file_digest(path)
    if digest != tokenizer.sha256:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise WeightsUnavailable(
            f"{name}: {path} has sha256 {digest[:16]}..., the entry says {tokenizer.sha256[:16]}...; "
            "the file was removed; fetch it again"
        )
    return path


def beside_files(entry: Entry, text: Text, folder: Path | None = None) -> Beside:
    """The files of a text tower that lies beside the weights, to be written beside a copy; none of another.

    Args:
        entry: The entry of the image tower that the text tower belongs to.
        text: The text tower, usually ``entry.text``.
        folder: The folder of the entry, for weights that were opened from one.

    Raises:
        WeightsUnavailable: They are not there, or others than the entry states.
    """
    if not text.beside:
        return {}
    tower = fetch_text(entry, text, folder=folder)
    tokenizer = fetch_tokenizer(entry, text.tokenizer, folder=folder)
    return {TEXT: partial(shutil.copyfile, tower), TOKENIZER: partial(shutil.copyfile, tokenizer)}


def carry_text(entry: Entry, text: Text, to: Path) -> tuple[Path, Path]:
    """Write a text tower and its tokenizer into a folder that can be copied to a machine without network.

    Args:
        entry: The entry of the image tower that the text tower belongs to.
        text: The text tower, usually ``entry.text``.
        to: The bundle folder; the files are written into its folder ``<name>.text``.

    Returns:
        The written safetensors file and the written ``tokenizer.json``.

    Raises:
        WeightsUnavailable: A file cannot be fetched, or its content has another sha256 than the entry states.
        BadInput: Another process writes the folder.
    """
    tower = _tower(entry, text)
    path, tokenizer = fetch_text(entry, text), fetch_tokenizer(entry, text.tokenizer)
    with writing(to / tower.name):
        copy_folder(path, cache.kept(tower) or tower, to / tower.name)
        _copy_tokenizer(tokenizer, text.tokenizer, to / tower.name)
    return to / tower.name / WEIGHTS, to / tower.name / TOKENIZER


def install_text(entry: Entry, text: Text, bundle: Path) -> tuple[Path, Path]:
    """Verify the text tower and tokenizer in a folder that :func:`carry_text` wrote, and copy them into the own cache.

    Args:
        entry: The entry of the image tower that the text tower belongs to.
        text: The text tower, usually ``entry.text``.
        bundle: Folder that holds ``<name>.text``.

    Returns:
        The safetensors file and the ``tokenizer.json`` in the own cache folder.

    Raises:
        WeightsUnavailable: The bundle does not have the files, or they are not those of the entry.
    """
    tower, wrote = _tower(entry, text), f"omlzoo fetch {entry.name} --text --to {bundle}"
    path, carried = install_bundle(tower, bundle, wrote), bundle / tower.name / TOKENIZER
    if not carried.is_file():
        raise WeightsUnavailable(f"{tower.name}: {carried} is not there; `{wrote}` writes it where there is network")
    if not _carried(carried, text.tokenizer):
        raise WeightsUnavailable(
            f"{tower.name}: {carried} is another tokenizer than the entry promises; write the bundle again"
        )
    _copy_tokenizer(carried, text.tokenizer, cache.folder(tower.name))
    return path, fetch_tokenizer(entry, text.tokenizer)


def _home(entry: Entry, folder: Path | None) -> Path:
    """The folder in which the entry's files lie beside each other."""
    if folder is not None:
        return folder
    if entry.package is not None:
        return locate(entry.package, entry.name).parent
    raise WeightsUnavailable(f"{entry.name}: its text tower lies beside its weights; open the folder that has both")


def _tower(entry: Entry, text: Text) -> Entry:
    """The text tower as an entry of its own, named ``<name>.text``."""
    if text.beside:
        raise WeightsUnavailable(f"{entry.name}: its text tower lies beside its weights; copy the folder as it is")
    if text.repo is None:
        raise WeightsUnavailable(
            f"{entry.name}: no repository with its text tower as safetensors is known; open the authors' file with "
            f"omlzoo.get_text_model({entry.name!r}, weights=FILE)"
        )
    return without_address(
        entry,
        name=f"{entry.name}.text",
        repo=text.repo,
        revision=text.revision,
        file=text.file,
        sha256=text.sha256,
        pin=text.pin,
    )


def _copy_tokenizer(file: Path, tokenizer: Tokenizer, to: Path) -> None:
    with new_file(to / TOKENIZER) as temporary:
        shutil.copyfile(file, temporary)
    with new_file(to / RULES) as temporary:
        temporary.write_text(json.dumps(asdict(tokenizer)), encoding="utf-8")


def _carried(path: Path, tokenizer: Tokenizer) -> bool:
    """Whether a local file is this tokenizer: by its sha256 or, if the entry has none, by the facts kept beside it."""
    if not path.is_file():
        return False
    if tokenizer.sha256 is not None:
        return file_digest(path) == tokenizer.sha256
    try:
        return bool(read_json(path.parent / RULES) == asdict(tokenizer))
    except BadInput:
        return False

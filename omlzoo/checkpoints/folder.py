"""A checkpoint on disk: a folder with ``model.safetensors`` and ``entry.json``. The package writes no other form.

Where text and image towers were trained together, ``text.safetensors`` and ``tokenizer.json`` lie beside them. The
files are replaced as one: whoever is killed in between leaves the old checkpoint or the new one, whole.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omlzoo.checkpoints.entry import Entry, Text, dump_entry, read_entry
from omlzoo.errors import BadEntry, BadInput
from omlzoo.files import file_digest, new_files, settled, writing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ENTRY",
    "TEXT",
    "TOKENIZER",
    "WEIGHTS",
    "Beside",
    "check_vacant",
    "copy_folder",
    "open_entry",
    "rewrite_entry",
    "save_folder",
    "weights_of",
]

WEIGHTS, ENTRY = "model.safetensors", "entry.json"
TEXT, TOKENIZER = "text.safetensors", "tokenizer.json"  # of a text tower that lies beside the weights

Writer = Callable[[Path], object]
Beside = Mapping[str, Writer]


def save_folder(
    state: "Mapping[str, Tensor]",
    entry: Entry,
    folder: str | Path,
    overwrite: bool = False,
    beside: Beside | None = None,
) -> Entry:
    """Write weights and their entry into a folder. Two processes must not do so at once, see ``files.writing``.

    Args:
        state: The state dict, with the keys of the model.
        entry: The entry that describes the weights.
        folder: The folder; it is made if it does not exist, and other files in it are left alone.
        overwrite: Whether to replace a checkpoint that the folder already has.
        beside: The files of the entry's text tower by name, each with what writes it to a path.

    Returns:
        The entry that was written, with the name, sha256 and size of the new file.

    Raises:
        BadInput: The folder has a checkpoint and ``overwrite`` is False, or ``folder`` is a file.
    """
    from safetensors.torch import save_file

    check_vacant(folder, overwrite)
    tensors, seen = {}, set()
    for name, tensor in state.items():
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        tensors[name] = plain.clone() if memory in seen else plain  # the format has no two names for one memory
        seen.add(memory)
    return _write(lambda path: save_file(tensors, path), replace(entry, layout=None), Path(folder), beside)


def copy_folder(source: Path, entry: Entry, folder: Path, beside: Beside | None = None) -> Entry:
    """Copy a safetensors file into a folder, with its entry beside it.

    Args:
        source: The file to copy.
        entry: The entry that describes it.
        folder: The folder; it is made if it does not exist, and files of the same names in it are replaced.
        beside: The files of the entry's text tower by name, each with what writes it to a path.

    Returns:
        The entry that was written, with the name, sha256 and size of the copy.
    """
    return _write(lambda path: shutil.copyfile(source, path), entry, folder, beside)


def _write(write: Writer, entry: Entry, folder: Path, beside: Beside | None) -> Entry:
    with new_files(folder, ENTRY) as temporary:
        weights = temporary / WEIGHTS
        write(weights)
        for name, write_other in (beside or {}).items():
            write_other(temporary / name)
        if beside and entry.text is not None:
            entry = replace(entry, text=_text_beside(entry.text, temporary))
        entry = replace(entry, file=WEIGHTS, sha256=file_digest(weights), size=weights.stat().st_size)
        (temporary / ENTRY).write_text(dump_entry(entry), encoding="utf-8")
    return entry


def _text_beside(text: Text, folder: Path) -> Text:
    """The facts of a text tower whose files were written into a folder."""
    tower = folder / TEXT
    return replace(
        text, repo=None, revision=None, file=TEXT, sha256=file_digest(tower), size=tower.stat().st_size, pin=None,
        alternatives=(), tokenizer=replace(text.tokenizer, sha256=file_digest(folder / TOKENIZER)),
    )  # fmt: skip


def check_vacant(folder: str | Path, overwrite: bool) -> None:
    """Check that a checkpoint may be written into a folder.

    Args:
        folder: The folder. It need not exist.
        overwrite: Whether to replace a checkpoint that the folder already has.

    Raises:
        BadInput: The folder has a checkpoint and ``overwrite`` is False, or ``folder`` is a file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise BadInput(f"{folder} is a file; give the name of a folder")
    if weights_of(folder).exists() and not overwrite:
        raise BadInput(f"{folder} has a {WEIGHTS} already; give another name, or remove it first")


def rewrite_entry(entry: Entry, folder: str | Path) -> Entry:
    """Replace the ``entry.json`` of a folder, whose weights stay.

    Args:
        entry: The entry to write.
        folder: A folder that :func:`save_folder` wrote.

    Returns:
        The same entry.

    Raises:
        BadInput: The weights there are not those of the entry, or another process writes the folder.
        BadEntry: The folder has no valid ``entry.json``.
    """
    folder = Path(folder)
    with writing(folder):
        there = open_entry(folder)
        if there.sha256 != entry.sha256:
            raise BadInput(f"{folder} has other weights by now (sha256 {str(there.sha256)[:16]}...); do it again")
        with new_files(folder, ENTRY) as temporary:
            (temporary / ENTRY).write_text(dump_entry(entry), encoding="utf-8")
    return entry


def open_entry(folder: str | Path) -> Entry:
    """Read the entry of a folder that :func:`save_folder` wrote.

    Raises:
        BadEntry: The folder has no ``entry.json``, or it does not follow the schema.
    """
    path = settled(folder, ENTRY, ENTRY)
    if not path.exists():
        raise BadEntry(f"{folder}: has no {ENTRY}; give a folder that finetune, convert or save wrote")
    try:
        return read_entry(path)
    except BadEntry:
        if path.exists():
            raise
    return read_entry(settled(folder, ENTRY, ENTRY))  # a writer has put it in its place in the meantime


def weights_of(folder: str | Path) -> Path:
    """Where the weights lie that belong to what :func:`open_entry` reads. The file need not exist."""
    return settled(folder, WEIGHTS, ENTRY)

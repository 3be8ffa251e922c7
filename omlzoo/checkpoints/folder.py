"""A checkpoint on disk: a folder with ``model.safetensors`` and ``entry.json``. The package writes no other form."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omlzoo.checkpoints.entry import Entry, dump_entry, read_entry
from omlzoo.errors import BadEntry, BadInput
from omlzoo.files import file_digest, new_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ENTRY", "WEIGHTS", "open_entry", "rewrite_entry", "save_folder"]

WEIGHTS, ENTRY = "model.safetensors", "entry.json"


def save_folder(state: "Mapping[str, Tensor]", entry: Entry, folder: str | Path, overwrite: bool = False) -> Entry:
    """Write weights and their entry into a folder.

    Args:
        state: The state dict, with the keys of the model.
        entry: The entry that describes the weights.
        folder: The folder; it is made if it does not exist, and other files in it are left alone.
        overwrite: Whether to replace a checkpoint that the folder already has.

    Returns:
        The entry that was written, with the name, sha256 and size of the new file.

    Raises:
        BadInput: The folder has a checkpoint and ``overwrite`` is False, or ``folder`` is a file.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    if folder.is_file():
        raise BadInput(f"{folder} is a file; give the name of a folder")
    if (folder / WEIGHTS).exists() and not overwrite:
        raise BadInput(f"{folder} has a {WEIGHTS} already; give another name, or remove it first")
    weights = folder / WEIGHTS
    with new_file(weights) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)
        sha256, size = file_digest(temporary), temporary.stat().st_size
        entry = replace(entry, file=WEIGHTS, sha256=sha256, size=size, layout=None)
        with new_file(folder / ENTRY) as text:
            text.write_text(dump_entry(entry), encoding="utf-8")
    return entry


def rewrite_entry(entry: Entry, folder: str | Path) -> Entry:
    """Replace the ``entry.json`` of a folder.

    Args:
        entry: The entry to write.
        folder: A folder that :func:`save_folder` wrote.

    Returns:
        The same entry.
    """
    with new_file(Path(folder) / ENTRY) as text:
        text.write_text(dump_entry(entry), encoding="utf-8")
    return entry


def open_entry(folder: str | Path) -> Entry:
    """Read the entry of a folder that :func:`save_folder` wrote.

    Raises:
        BadEntry: The folder has no ``entry.json``, or it does not follow the schema.
    """
    path = Path(folder) / ENTRY
    if not path.is_file():
        raise BadEntry(f"{folder}: has no {ENTRY}; give a folder that finetune, convert or save wrote")
    return read_entry(path)

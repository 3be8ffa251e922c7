"""A checkpoint on disk: ``model.safetensors`` and its ``entry.json`` in one folder, the form of everything we write."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, isfinite, nn, uint8

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.manifest import Entry
from omlzoo.errors import BadEntry, BadInput, WeightsMismatch
from omlzoo.files import new_file

__all__ = [
    "ENTRY",
    "WEIGHTS",
    "check_finite",
    "compare",
    "digest",
    "fill",
    "load",
    "open_entry",
    "rewrite",
    "save",
    "state_digest",
]

WEIGHTS, ENTRY = "model.safetensors", "entry.json"


def save(state: Mapping[str, Tensor], entry: Entry, folder: str | Path, overwrite: bool = False) -> Entry:
    """Write weights and entry; the entry that is written, and returned, has the new file's name, sha256 and size.

    Args:
        state: A state dict.
        entry: The facts.
        folder: Is made where needed; other files in it are left alone.
        overwrite: Replace a checkpoint that stands there.

    Raises:
        BadInput: A checkpoint stands there, or ``folder`` is a file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise BadInput(f"{folder} is a file; give the name of a folder")
    if (folder / WEIGHTS).exists() and not overwrite:
        raise BadInput(f"{folder} has a {WEIGHTS} already; give another name, or remove it first")
    weights = folder / WEIGHTS
    with new_file(weights) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)
        sha256, size = digest(temporary), temporary.stat().st_size
        entry = replace(entry, file=WEIGHTS, sha256=sha256, size=size, layout=None)
        with new_file(folder / ENTRY) as text:
            text.write_text(manifest.dump(entry), encoding="utf-8")
    return entry


def rewrite(entry: Entry, folder: str | Path) -> Entry:
    """Replace the ``entry.json`` of a folder; returns the entry."""
    with new_file(Path(folder) / ENTRY) as text:
        text.write_text(manifest.dump(entry), encoding="utf-8")
    return entry


def open_entry(folder: str | Path) -> Entry:
    """The entry of a folder that :func:`save` wrote.

    Raises:
        BadEntry: There is none, or it does not follow the schema.
    """
    path = Path(folder) / ENTRY
    if not path.is_file():
        raise BadEntry(f"{folder}: has no {ENTRY}; give a folder that finetune, convert or save wrote")
    return manifest.read(path)


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory and read when they are used.

    Raises:
        WeightsMismatch: The file is damaged or not of that format.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMismatch(f"{path}: not a whole safetensors file ({error}); fetch or convert it again") from error


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Raise WeightsMismatch where a tensor holds NaN or infinity."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not isfinite(tensor).all():
            count = int((~isfinite(tensor)).sum())
            raise WeightsMismatch(f"{name}: {count} values of {key} are NaN or infinite; these weights are of no use")


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Hex sha256 of names and values, for weights that are in no file."""
    found = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(uint8).numpy().tobytes())
    return found.hexdigest()


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fill(model: nn.Module, old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Load weights without a second copy in memory; every name and every shape has to agree.

    Args:
        model: Is filled.
        old: Its state dict.
        new: The weights; they take the types of the old ones.
        name: Of the checkpoint, for messages.
        arch: Of the architecture, for messages.

    Raises:
        WeightsMismatch: They do not fit.
    """
    compare(old, new, name, arch)
    model.load_state_dict({key: tensor.to(old[key].dtype) for key, tensor in new.items()}, assign=True)


def compare(old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Raise WeightsMismatch where two state dicts differ in names or shapes."""
    wanted = {key: tuple(tensor.shape) for key, tensor in old.items()}
    found = {key: tuple(tensor.shape) for key, tensor in new.items()}
    wrong = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if wrong:
        said = "; ".join(_difference(key, wanted.get(key), found.get(key)) for key in wrong[:3])
        count = f"{len(wrong)} of {len(wanted)} tensors differ"
        raise WeightsMismatch(f"{name}: the weights do not fit {arch}; {count}: {said}")


def _difference(name: str, wanted: tuple[int, ...] | None, found: tuple[int, ...] | None) -> str:
    if wanted is None:
        return f"{name} is not part of it"
    return f"{name} is missing" if found is None else f"{name} is {found} and must be {wanted}"

"""Conversion of a foreign checkpoint into a folder with a safetensors file and an entry."""

from dataclasses import replace
from pathlib import Path

from omlzoo import catalog
from omlzoo.checkpoints import layouts, safe_load, wrappings
from omlzoo.checkpoints.entry import Entry, without_address
from omlzoo.checkpoints.entry_rules import name_of
from omlzoo.checkpoints.folder import check_vacant, save_folder
from omlzoo.checkpoints.state_dict import check_finite
from omlzoo.errors import BadInput, UnknownName
from omlzoo.files import writing
from omlzoo.zoo.building import build_with
from omlzoo.zoo.examples import examples_of, match
from omlzoo.zoo.fingerprint import fingerprint

__all__ = ["convert"]


def convert(
    file: str | Path,
    arch: str,
    out: str | Path,
    *,
    layout: str | None = None,
    like: str | None = None,
    key: str | None = None,
    normalize: bool | None = None,
    overwrite: bool = False,
) -> tuple[Entry, str]:
    """Write ``model.safetensors`` and ``entry.json`` from a checkpoint file in a known layout.

    Dicts and prefixes that training scripts put around a state dict are taken off. What was taken, what else the file
    has and what was left out, such as the head of a classifier, stands in the entry's notes. All tensors of the model
    are in the file, or it is refused. The model is never in memory twice. No code from the file is run.

    Args:
        file: A ``.safetensors``, ``.pth`` or TorchScript file.
        arch: Name of an architecture of :mod:`omlzoo.models`, such as "vits16".
        out: The folder to write, which ``omlzoo.get_model`` then opens. Its name becomes the name of the entry.
        layout: Key layout of the file, a name of :data:`omlzoo.checkpoints.layouts.LAYOUTS`; None recognises it from
            the keys.
        like: Name of a checkpoint of the zoo whose architecture arguments, preprocessing and normalisation are used;
            None uses the first checkpoint of the same architecture that the tensors fit, one whose own file has the
            same layout before the others.
        key: Name of the state dict to take, such as "state_dict_ema" or "student", for a file with several; None takes
            the one that evaluation scripts take: "state_dict" and "model" before running averages, the teacher before
            the student.
        normalize: Whether the model divides embeddings by their L2 norm; None does as ``like``.
        overwrite: Whether to replace a checkpoint that the folder already has.

    Returns:
        The entry that was written, and the name of the layout.

    Raises:
        UnknownName: There is no such architecture, layout or checkpoint, or the file has no such ``key``.
        WeightsMismatch: The file is damaged, its layout is not known, or its tensors do not fit the architecture.
        BadInput: There is no such file, the folder has a checkpoint and ``overwrite`` is False, another process writes
            it, ``like`` has another architecture, or no checkpoint of the zoo has the architecture.
    """
    file, out = Path(file), Path(out)
    if not file.is_file():
        raise BadInput(f"{file}: there is no such file")
    check_vacant(out, overwrite)
    if arch not in catalog.names("models"):
        raise UnknownName("omlzoo.models", arch, catalog.names("models"))
    if layout is not None and layout not in layouts.LAYOUTS:
        raise UnknownName("omlzoo.checkpoints.layouts", layout, layouts.LAYOUTS)
    examples = examples_of(arch, like)
    raw = safe_load.open_file(file, str(file))
    found = match(wrappings.readings(raw, str(file), key, layout), examples, str(file))
    if found is None:
        raise wrappings.unreadable(raw, str(file))
    example, layout, state = found.example.entry, found.reading.layout, found.state
    account = found.reading.account(found.example.wanted)
    copied = f"Preprocessing and arguments as of {example.name}; check that they are those of these weights."
    entry = without_address(
        example, name=name_of(out.resolve().name), license=None, commercial=None, citation=None, preprocess_oml=None,
        normalize=example.normalize if normalize is None else normalize,
        source=f"{file.name}, converted from the layout {layout}", notes=f"{account} {copied}".strip(),
    )  # fmt: skip
    check_finite(state, str(file))
    entry = replace(entry, fingerprint=fingerprint(build_with(entry, state)))  # before anything is in the folder
    with writing(out):
        return save_folder(state, entry, out, overwrite=overwrite), layout

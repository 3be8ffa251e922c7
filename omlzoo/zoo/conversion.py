"""Conversion of a foreign checkpoint into a folder with a safetensors file and an entry."""

from dataclasses import replace
from pathlib import Path

from omlzoo import catalog
from omlzoo.checkpoints import layouts, manifest, safe_load
from omlzoo.checkpoints.entry import Entry, without_address
from omlzoo.checkpoints.entry_rules import name_of
from omlzoo.checkpoints.folder import check_vacant, save_folder
from omlzoo.checkpoints.state_dict import check_finite
from omlzoo.errors import BadInput, UnknownName
from omlzoo.files import writing
from omlzoo.zoo.building import build_with
from omlzoo.zoo.fingerprint import fingerprint

__all__ = ["convert"]


def convert(
    file: str | Path,
    arch: str,
    out: str | Path,
    *,
    layout: str | None = None,
    like: str | None = None,
    normalize: bool | None = None,
    overwrite: bool = False,
) -> tuple[Entry, str]:
    """Write ``model.safetensors`` and ``entry.json`` from a checkpoint file in a known layout.

    The model is never in memory twice. No code from the file is run.

    Args:
        file: A ``.safetensors``, ``.pth`` or TorchScript file.
        arch: Name of an architecture of :mod:`omlzoo.models`, such as "vits16".
        out: The folder to write, which ``omlzoo.get_model`` then opens. Its name becomes the name of the entry.
        layout: Key layout of the file, a name of :data:`omlzoo.checkpoints.layouts.LAYOUTS`; None recognises it from
            the keys.
        like: Name of a checkpoint of the zoo whose architecture arguments, preprocessing and normalisation are used;
            None uses the first checkpoint of the same architecture.
        normalize: Whether the model divides embeddings by their L2 norm; None does as ``like``.
        overwrite: Whether to replace a checkpoint that the folder already has.

    Returns:
        The entry that was written, and the name of the layout.

    Raises:
        UnknownName: There is no such architecture, layout or checkpoint.
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
    example = _example(arch, like)
    raw = safe_load.open_file(file, str(file))
    layout = layout or layouts.recognise(raw, str(file))
    state = layouts.convert(raw, layout, str(file))
    entry = without_address(
        example, name=name_of(out.resolve().name), license=None, commercial=None, citation=None, preprocess_oml=None,
        normalize=example.normalize if normalize is None else normalize,
        source=f"{file.name}, converted from the layout {layout}",
        notes=f"Preprocessing and arguments as of {example.name}; check that they are those of these weights.",
    )  # fmt: skip
    check_finite(state, str(file))
    entry = replace(entry, fingerprint=fingerprint(build_with(entry, state)))  # before anything is in the folder
    with writing(out):
        return save_folder(state, entry, out, overwrite=overwrite), layout


def _example(arch: str, like: str | None) -> Entry:
    if like is not None:
        entry = manifest.find(like)
        if entry.arch != arch:
            raise BadInput(f"{like} is a {entry.arch}, not a {arch}; name a checkpoint of the same architecture")
        return entry
    for name in manifest.names():
        entry = manifest.find(name)
        if entry.arch == arch:
            return entry
    raise BadInput(f"no checkpoint of the zoo is a {arch}, so its preprocessing is not known; write the entry by hand")

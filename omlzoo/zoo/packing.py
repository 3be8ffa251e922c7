"""pack(): a checkpoint as a wheel, which any package index can hold and ``pip install`` adds to the zoo."""

import json
import re
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from omlzoo import catalog
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry, dump_entry
from omlzoo.checkpoints.entry_rules import check_distribution
from omlzoo.checkpoints.fetch_text import beside_files
from omlzoo.checkpoints.folder import ENTRY, WEIGHTS, copy_folder, open_entry
from omlzoo.checkpoints.package import GROUP, NAME
from omlzoo.checkpoints.sources import Package
from omlzoo.errors import BadEntry, BadInput, notice
from omlzoo.files import file_digest, new_file
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import Trust
from omlzoo.pages.render import model_card
from omlzoo.zoo.registry import get_model

__all__ = ["pack"]

# Nothing is imported from the folder of an entry, so no __init__.py stands in it.
PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = {distribution}
version = {version}
description = {description}
readme = "README.md"
requires-python = ">=3.11"

[project.entry-points."{group}"]
{name} = {folder}

[tool.hatch.build.targets.wheel]
include = ["/{folder_path}"]
"""


def pack(
    model: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    version: str = "1.0.0",
    overwrite: bool = False,
    trust: Trust = None,
) -> Path:
    """Build a wheel of a checkpoint: its weights as safetensors, its entry and its card.

    After ``pip install`` of it ``omlzoo.list_models()`` shows the name and ``omlzoo.<name>()`` builds the model,
    offline. Nothing of the wheel is imported for that.

    Args:
        model: A run folder, or anything else that ``omlzoo.get_model`` opens.
        out: The folder to write the wheel into; it is made if it does not exist.
        name: Name of the checkpoint, a letter with letters, digits and "_" behind it; by default that of the folder or
            checkpoint. The distribution is called omlzoo-NAME.
        version: Version of the distribution.
        overwrite: Whether to replace a wheel of the same name and version.
        trust: As in ``omlzoo.get_model``.

    Returns:
        The wheel.

    Raises:
        BadInput: The name is none, or one of omlzoo itself; the wheel exists and ``overwrite`` is False; or the version
            is none.
        MissingExtra: hatchling is not installed.
        WeightsUnavailable: The weights cannot be had.
    """
    builder = catalog.optional("hatchling.builders.wheel", "pack").WheelBuilder
    opened = get_model(model, trust=trust)
    name = opened.entry.name if name is None else name
    distribution = _distribution(name, version)
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        folder = project / distribution.replace("-", "_")
        _write(opened, folder)
        entry = _packed(folder, name, distribution, version)
        if entry.license is None:
            notice(f"{name}: its entry states no licence; nobody may use what has none")
        card = model_card(asdict(entry), name, "", "")
        (project / "README.md").write_text(card, encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")
        (project / "pyproject.toml").write_text(_project(entry, distribution, version), encoding="utf-8")
        try:
            (built,) = builder(str(project)).build(directory=str(project / "dist"), versions=["standard"])
        except ValueError as error:  # of versions that hatchling does not know
            raise BadInput(f"version is {version!r}: {error}") from error
        return _placed(Path(built), Path(out), overwrite)


def _distribution(name: str, version: str) -> str:
    if not NAME.fullmatch(name):
        raise BadInput(f"name is {name!r}; it must be a letter with letters, digits and _ behind it (--name)")
    if name in manifest.reserved():
        raise BadInput(f"name is {name!r}, which is one of omlzoo itself; give another with name (--name)")
    distribution = f"omlzoo-{re.sub('_+', '-', name).strip('-').lower()}"
    try:
        check_distribution(distribution, version)
    except BadEntry as error:
        raise BadInput(str(error)) from error
    return distribution


def _write(model: Extractor, folder: Path) -> None:
    """The weights and their entry: the very file where it has the model's own keys, else what the model holds."""
    weights = model.weights
    if weights is None or weights.origin is not None or weights.entry.layout is not None:
        model.save(folder)
        return
    bare = replace(weights.entry, repo=None, revision=None, upstream=None, mirrors=(), gated=False)
    beside = {} if bare.text is None else beside_files(weights.entry, bare.text, weights.folder)
    copy_folder(weights.fetch(), bare, folder, beside)


def _packed(folder: Path, name: str, distribution: str, version: str) -> Entry:
    """Write the entry of a saved model as that of a package, and return it."""
    entry = open_entry(folder)
    if entry.sha256 is None or entry.size is None:
        raise BadInput(f"{folder} was saved without its sha256; save the model again")
    package = Package(distribution, version, f"{folder.name}/{WEIGHTS}", entry.sha256, entry.size)
    entry = replace(entry, name=name, file=None, package=package, pin="measured")
    (folder / ENTRY).write_text(dump_entry(entry), encoding="utf-8")
    return entry


def _project(entry: Entry, distribution: str, version: str) -> str:
    folder = distribution.replace("-", "_")
    texts = {
        "distribution": distribution, "version": version, "folder": folder,
        "description": f"Weights of {entry.name} for omlzoo: images to vectors of {entry.dim} numbers",
    }  # fmt: skip
    quoted = {key: json.dumps(text) for key, text in texts.items()}
    return PROJECT.format(**quoted, group=GROUP, name=entry.name, folder_path=folder)


def _placed(built: Path, out: Path, overwrite: bool) -> Path:
    """The wheel in the folder that was asked for."""
    target = out / built.name
    if target.exists():
        if not overwrite and file_digest(target) != file_digest(built):
            message = "is there with other content; give another version (--version), or overwrite (--overwrite)"
            raise BadInput(f"{target} {message}")
        notice(f"{target} was there; it is replaced")
    with new_file(target) as temporary:
        shutil.copyfile(built, temporary)
    return target

"""Where weights are on this machine is what the loader finds, without torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from omlzoo.checkpoints import cache, manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.fetch import present
from omlzoo.checkpoints.folder import ENTRY, save_folder
from omlzoo.checkpoints.sources import Package, Upstream
from omlzoo.zoo.presence import place_of

AUTHORS = manifest.find("vits16_sop")
HUB = manifest.find("resnet34_a1")
PINNED = manifest.find("resnet18_a1")
UNPINNED = manifest.find("openai_vitl14_336")
OTHER = Upstream("https://example.org/other.pth", None, "oml_vit")


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def put(entry: Entry, folder: Path, commit: str, branch: bool) -> None:
    repo = folder / "hub" / f"models--{str(entry.repo).replace('/', '--')}"
    (repo / "snapshots" / commit).mkdir(parents=True)
    (repo / "snapshots" / commit / str(entry.file)).write_bytes(b"x")
    if branch:
        (repo / "refs").mkdir()
        (repo / "refs" / "main").write_text(commit)


@pytest.mark.parametrize("name", manifest.names())
def test_on_an_empty_machine_only_what_is_bundled_is_here(name: str) -> None:
    entry = manifest.find(name)
    bundled = bool(entry.file) and (manifest.folder() / "bundled" / str(entry.file)).is_file()
    if not bundled and entry.package is not None:
        pytest.skip("whether its package is installed is another test")
    assert place_of(entry) == ("bundled" if bundled else None)
    assert (present(entry)[0] is not None) == bundled


@pytest.mark.parametrize(("entry", "changes", "serves"), [
    (AUTHORS, {}, True),
    (AUTHORS, {"upstream": OTHER}, False),
    (AUTHORS, {"upstream": None}, False),
    (AUTHORS, {"name": "another"}, False),
    (UNPINNED, {}, True),
    (UNPINNED, {"repo": "somebody/else"}, False),
    (PINNED, {}, False),
])  # fmt: skip
def test_the_own_folder_counts_where_it_holds_these_weights(
    entry: Entry, changes: dict[str, Any], serves: bool
) -> None:
    save_folder({"x": torch.ones(4)}, replace(entry, **changes), cache.folder(entry.name))
    assert place_of(entry) == ("own folder" if serves else None)
    assert (present(entry)[0] is not None) == serves


def test_a_damaged_entry_counts_as_no_weights() -> None:
    save_folder({"x": torch.ones(4)}, AUTHORS, cache.folder(AUTHORS.name))
    (cache.folder(AUTHORS.name) / ENTRY).write_text("{")
    assert place_of(AUTHORS) is None
    assert present(AUTHORS)[0] is None


@pytest.mark.parametrize(("entry", "commit", "branch", "there"), [
    (HUB, "b" * 40, True, True), (HUB, "b" * 40, False, False),
    (PINNED, str(PINNED.revision), False, True), (PINNED, "b" * 40, True, False),
])  # fmt: skip
def test_the_cache_of_the_hub_client_counts_at_the_commit_of_the_entry(
    empty: Path, entry: Entry, commit: str, branch: bool, there: bool
) -> None:
    put(entry, empty, commit, branch)
    assert place_of(entry) == ("Hub cache" if there else None)
    assert (present(entry)[0] is not None) == there


@pytest.mark.parametrize(("distribution", "file", "there"), [
    ("torch", "torch/__init__.py", True), ("torch", "torch/no_such_file.pth", False), ("not-a-distribution", "torch/__init__.py", False),
])  # fmt: skip
def test_an_installed_package_counts_where_it_has_the_file(distribution: str, file: str, there: bool) -> None:
    package = Package(distribution, "1.0", file, "0" * 64, 1)
    assert place_of(replace(AUTHORS, package=package)) == ("installed package" if there else None)


def test_looking_loads_neither_torch_nor_the_hub_client() -> None:
    code = """
import sys
from omlzoo.checkpoints import manifest
from omlzoo.zoo.presence import place_of
[place_of(manifest.find(name)) for name in manifest.names()]
sys.exit(any(name in sys.modules for name in ("torch", "huggingface_hub.file_download")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

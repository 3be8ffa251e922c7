"""Backends by name, those that other packages offer among them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn_rows import random_embeddings

import omlzoo
from omlzoo.errors import BadInput, UnknownName
from omlzoo.index.backends.flat import Flat
from omlzoo.index.searcher import made_searcher

CODE = """
from omlzoo.index.backends import exact

def theirs(similarity, dim, *, host="nowhere"):
    return exact(similarity, dim)

def half(similarity, dim):
    return object()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with one that offers backends."""
    (tmp_path / "their_store.py").write_text(CODE)
    offer(tmp_path, "their-store", "theirs = their_store:theirs\nhalf = their_store:half\nbroken = no_such_module:x\n"
          "exact = their_store:half\n")  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("their_store", None)


def offer(folder: Path, name: str, points: str) -> None:
    facts = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[omlzoo.backends]\n{points}")


def test_a_backend_of_another_package_builds_searches_and_opens(installed: Path) -> None:
    rows = random_embeddings(50)
    index = omlzoo.build_index(rows, backend="theirs")
    assert index.search(rows.vectors[:3], k=1).ids[:, 0].tolist() == [0, 1, 2]
    index.save(installed / "x")
    assert omlzoo.open_index(installed / "x").size == 50
    omlzoo.build_index(rows, backend="theirs", host="somewhere").save(installed / "y")
    with pytest.raises(BadInput, match="OMLZOO_THEIRS_HOST"):
        omlzoo.open_index(installed / "y")
    assert omlzoo.open_index(installed / "y", host="here").size == 50


def test_what_is_ours_stays_ours(installed: Path) -> None:
    assert isinstance(made_searcher("exact", "cosine", 4, {}), Flat)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("half", "half gave a object, which lacks add, remove, search, save, restore, approximate; a backend has what"),
        ("broken", "'broken' of their-store cannot be loaded .ModuleNotFoundError.*; update or uninstall that package"),
    ],
)
def test_one_that_is_none_is_refused(name: str, said: str, installed: Path) -> None:
    with pytest.raises(BadInput, match=said):
        made_searcher(name, "cosine", 4, {})


def test_two_packages_with_one_name_are_refused(installed: Path) -> None:
    offer(installed, "other-store", "theirs = other_store:theirs\n")
    with pytest.raises(BadInput, match="'theirs' is offered by .*their-store.*; uninstall one|other-store"):
        made_searcher("theirs", "cosine", 4, {})


def test_unknown_names_and_options_are_one_line(installed: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean theirs"):
        made_searcher("their", "cosine", 4, {})
    options: dict[str, Any] = {"neighbors": 3}
    with pytest.raises(BadInput, match=r"backend exact does not take \['neighbors'\]"):
        made_searcher("exact", "cosine", 4, options)

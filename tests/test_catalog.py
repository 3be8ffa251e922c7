"""The folder is the list."""

import importlib
import sys
from pathlib import Path

import pytest

from omlzoo import catalog
from omlzoo.errors import UnknownName


@pytest.mark.parametrize("shelf", catalog.SHELVES)
def test_a_shelf_is_not_empty(shelf: str) -> None:
    assert catalog.names(shelf)


@pytest.mark.parametrize("shelf", catalog.SHELVES)
def test_a_shelf_is_known_from_its_sources_as_from_its_modules(shelf: str) -> None:
    homes = catalog.offers(shelf)
    for home in set(homes.values()):
        assert sorted(importlib.import_module(home).__all__) == sorted(n for n, there in homes.items() if there == home)


def test_one_offer_is_found_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = tmp_path / "another_shelf_for_a_test"
    shelf.mkdir()
    (shelf / "__init__.py").touch()
    (shelf / "one.py").write_text("__all__ = [\n    'One',\n]\nOne = 1\n")
    (shelf / "broken.py").write_text("__all__ = ['Two']\nraise RuntimeError('it was imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "omlzoo.another_shelf_for_a_test", importlib.import_module(shelf.name))
    assert catalog.find("another_shelf_for_a_test", "One") == 1


def test_files_with_an_underscore_offer_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = tmp_path / "shelf_for_a_test"
    shelf.mkdir()
    (shelf / "__init__.py").touch()
    (shelf / "one.py").write_text("__all__ = ['One']\nOne = 1\n")
    (shelf / "_shared.py").write_text("__all__ = ['Two']\nTwo = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    package = importlib.import_module(shelf.name)
    monkeypatch.setitem(sys.modules, "omlzoo.shelf_for_a_test", package)
    package.__name__ = shelf.name
    assert catalog.names("shelf_for_a_test") == {"One": 1}


def test_a_room_offers_its_public_names_and_no_other() -> None:
    from omlzoo import training

    assert dir(training) == [
        "EarlyStopping",
        "Recipe",
        "Run",
        "batches",
        "distil",
        "finetune",
        "lr_range_test",
        "pretrain",
    ]
    with pytest.raises(AttributeError, match=r"omlzoo.training has no 'Recip'; did you mean Recipe\?"):
        training.Recip  # noqa: B018


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"omlzoo.losses has no 'TripleLoss'; did you mean TripletLoss\?"):
        catalog.find("losses", "TripleLoss")
    with pytest.raises(LookupError):
        catalog.find("losses", "xyz")

"""Every error is ours and a built-in kind."""

import linecache
import warnings
from pathlib import Path

import pytest
from PIL import Image

import omlzoo
from omlzoo import errors
from omlzoo.errors import counted
from omlzoo.models._extractor import Extractor

KINDS = {
    "BadEntry": ValueError, "BadImage": ValueError, "BadInput": ValueError, "BadTable": ValueError, "MissingExtra": ImportError,
    "UnknownName": LookupError, "WeightsMismatch": ValueError, "WeightsUnavailable": OSError,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"OmlzooError", "OmlzooWarning", "counted", "notice"}))
def test_each_has_its_builtin_kind(name: str) -> None:
    assert issubclass(getattr(errors, name), (errors.OmlzooError, KINDS[name]))
    assert issubclass(getattr(errors, name), KINDS[name])


def test_messages_that_are_made_here() -> None:
    assert str(errors.MissingExtra("faiss", "ann")) == "faiss is not installed; run: pip install 'omlzoo[ann]'"
    assert "it has a, b" in str(errors.UnknownName("x", "zzz", ["b", "a"]))
    assert str(errors.BadTable("t.csv", ["one", "two"])) == "t.csv: 2 faults\n  one\n  two"


def test_a_notice_points_at_the_line_of_the_user_however_deep_it_is_said(tmp_path: Path, model: Extractor) -> None:
    """The picture is found unreadable five calls below ``embed``."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        omlzoo.embed(model, tmp_path, progress=False)
    assert len(told) == 1
    assert "1 of 2 pictures could not be read" in str(told[0].message)
    assert told[0].filename == __file__
    assert "omlzoo.embed(model" in linecache.getline(told[0].filename, told[0].lineno)


def test_numbers_count_in_english() -> None:
    assert [counted(number, "picture") for number in (0, 1, 2000)] == ["0 pictures", "1 picture", "2,000 pictures"]
    assert [counted(number, "query", "queries") for number in (1, 3)] == ["1 query", "3 queries"]

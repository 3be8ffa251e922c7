"""Every error is ours and a built-in kind."""

import pytest

from omlzoo import errors

KINDS = {
    "BadEntry": ValueError, "BadImage": ValueError, "BadInput": ValueError, "BadTable": ValueError, "MissingExtra": ImportError,
    "UnknownName": LookupError, "WeightsMismatch": ValueError, "WeightsUnavailable": OSError,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"OmlzooError", "OmlzooWarning"}))
def test_each_has_its_builtin_kind(name: str) -> None:
    assert issubclass(getattr(errors, name), (errors.OmlzooError, KINDS[name]))
    assert issubclass(getattr(errors, name), KINDS[name])


def test_messages_that_are_made_here() -> None:
    assert str(errors.MissingExtra("faiss", "ann")) == "faiss is not installed; run: pip install 'omlzoo[ann]'"
    assert "it has a, b" in str(errors.UnknownName("x", "zzz", ["b", "a"]))
    assert str(errors.BadTable("t.csv", ["one", "two"])) == "t.csv: 2 faults\n  one\n  two"

"""A dataclass is built from JSON that has exactly its keys and types, and nothing else."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from omlzoo.errors import BadEntry
from omlzoo.jsonio import build


@dataclass(frozen=True)
class Inner:
    side: tuple[int, int]


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"]
    share: float
    inner: Inner | None
    many: tuple[Inner, ...]
    free: dict[str, Any]


RIGHT: dict[str, Any] = {
    "name": "x", "kind": "a", "share": 1, "inner": {"side": [1, 2]}, "many": [{"side": [3, 4]}], "free": {"y": 1},
}  # fmt: skip


def test_what_is_right_is_built() -> None:
    assert build(Outer, RIGHT, "f") == Outer("x", "a", 1.0, Inner((1, 2)), (Inner((3, 4)),), {"y": 1})
    assert build(Outer, {**RIGHT, "inner": None, "many": []}, "f").inner is None


@pytest.mark.parametrize(("change", "message"), [
    ({"name": 3}, r"f: name is 3; it must be of type str"),
    ({"kind": "c"}, r"f: kind is 'c'; it must be one of a, b"),
    ({"share": True}, r"f: share is True; it must be of type float"),
    ({"inner": {"side": [1]}}, r"f: inner: side is \[1\]; it must be a list of 2"),
    ({"inner": {"side": [1, "2"]}}, r"f: inner: side\[1\] is '2'; it must be of type int"),
    ({"many": [{}]}, r"f: many\[0\]: misses side; its keys are exactly: side"),
    ({"more": 1}, r"f: has unknown more"),
    ({"free": []}, r"f: free is \[\]; it must be of type dict"),
])  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadEntry, match=message):
        build(Outer, {**RIGHT, **change}, "f")


def test_no_object_at_all() -> None:
    with pytest.raises(BadEntry, match=r"f is \[\]; it must be an object with the keys side"):
        build(Inner, [], "f")

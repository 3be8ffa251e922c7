"""Imports go down, rooms do not tangle, and every file has its test."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "omlzoo"
HOUSE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["omlzoo"]
FLOOR = {room: number for number, rooms in enumerate(HOUSE["floors"]) for room in rooms}
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]
IDS = [str(path.relative_to(PACKAGE)) for path in FILES]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


LOOKS_UP = PACKAGE / "extractor.py"  # names, for the type checker alone, the facts that a model holds


def imported(path: Path) -> set[str]:
    """Full names of the omlzoo modules that a file imports, anywhere in it."""
    found = set()
    tree = ast.parse(path.read_text())
    if path == LOOKS_UP:
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "omlzoo":
            found |= {f"omlzoo.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name for name in found if name.startswith("omlzoo.")}


def test_there_are_files() -> None:
    assert len(FILES) > 30


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    # What only type checkers and calls import, weights.py and zoo.py do inside functions: the facade must stay light.
    for name in imported(path):
        other = name.split(".")[1]
        if other == here:
            assert here in HOUSE["connected"] or path.name == "__init__.py", (
                f"{path.relative_to(ROOT)} imports its neighbour {name}; move the shared part down a floor"
            )
            continue
        assert FLOOR[other] < FLOOR[here], (
            f"{path.relative_to(ROOT)} (floor {FLOOR[here]}) imports omlzoo.{other} (floor {FLOOR[other]}); "
            "move the shared part down, or pass it as an argument"
        )


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_every_room_has_its_test(path: Path) -> None:
    twin = ROOT / "tests" / f"test_{room(path)}.py"
    assert room(path).startswith("__") or twin.is_file(), f"write {twin.relative_to(ROOT)}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_no_assert_and_no_print_outside_tests_and_commands(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], "raise one of omlzoo.errors"
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert room(path) == "cli" or "print" not in calls, "return a value; only omlzoo.cli prints"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_names_say_what_a_room_is(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "base", "manager", "types"}

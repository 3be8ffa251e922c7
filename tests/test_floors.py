"""Imports go down, rooms do not tangle, shelves hold offers, and every file has its test.

A rule is one test over all files, and its message lists every breach. docs/architecture.md has the rules in words.
"""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import house
from places import PROJECT

from omlzoo import catalog

PACKAGE = PROJECT / "omlzoo"
DOORS = {"omlzoo", "omlzoo.__main__"}  # what users import, and what python -m runs
SOURCES = house.sources()
MODULES = {name: tree for name, tree in SOURCES.items() if name not in DOORS}
PATHS = {
    name: path
    for name in MODULES
    for path in [PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")]
    if path.is_file()
}
SHELVES = [f"omlzoo.{shelf}" for shelf in catalog.SHELVES]


def shelf_of(module: str) -> str | None:
    parent = module.rpartition(".")[0]
    return parent if parent in SHELVES and not module.rpartition(".")[2].startswith("_") else None


EDGES = {module: others for module, others in house.arrows(SOURCES).items() if module in MODULES}


def test_there_are_files() -> None:
    assert len(PATHS) > 100


def test_the_root_has_few_things() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8
    assert len({path.parent for path in PACKAGE.glob("*/*.py")}) <= 20
    assert len(house.FLOORS) <= 9


def test_imports_go_down_or_stay_in_the_room_and_nowhere_in_a_circle() -> None:
    """import-linter holds the contracts of pyproject.toml."""
    tried = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=PROJECT, capture_output=True, text=True
    )
    assert tried.returncode == 0, tried.stdout


def test_the_contracts_see_a_wrong_import(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "omlzoo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    with (tmp_path / "omlzoo" / "files.py").open("a") as file:
        file.write("\nfrom omlzoo.index import hits\n")
    tried = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=tmp_path, capture_output=True, text=True
    )
    assert tried.returncode == 1, tried.stdout + tried.stderr
    assert "omlzoo.files is not allowed to import omlzoo.index" in tried.stdout


def test_arrows_between_rooms_stay_few() -> None:
    rooms = house.between_rooms(house.arrows(SOURCES))
    assert sum(map(len, rooms.values())) <= 70
    assert {room: len(others) for room, others in rooms.items() if len(others) > 12 and room != "cli"} == {}


def test_offers_of_a_shelf_do_not_import_each_other() -> None:
    wrong = [
        f"{here} imports its neighbour {other}; put what they share beside them, in a file that begins with _"
        for here, others in EDGES.items()
        for other in others
        if shelf_of(here) is not None and shelf_of(here) == shelf_of(other)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_of_a_shelf_bears_the_name_of_an_offer() -> None:
    wrong = [f"{here} hides {shelf}.{here.rpartition('.')[2]}; name the file otherwise"
             for here in MODULES for shelf in [shelf_of(here)]
             if shelf and here.rpartition(".")[2] in catalog.offers(shelf.removeprefix("omlzoo."))]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def offered(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def taken(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in PATHS:
            yield from ((node.module, alias.name) for alias in node.names)


def test_a_name_that_another_file_takes_is_in_all() -> None:
    offers = {module: offered(MODULES[module]) for module in PATHS}
    wrong = sorted({f"{here} takes {name} from {other}, whose __all__ lacks it"
                    for here, tree in MODULES.items() for other, name in taken(tree)
                    if name not in offers[other] and f"{other}.{name}" not in MODULES})  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_no_assert_outside_tests_and_one_file_prints() -> None:
    for module, tree in MODULES.items():
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], (
            f"{module}: raise an error of ours"
        )
        calls = [
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert module == "omlzoo.cli.output" or "print" not in calls, f"{module}: only omlzoo.cli.output prints"


def test_names_say_what_a_file_is() -> None:
    drawers = {"utils", "util", "helpers", "common", "misc", "base", "manager", "types"}
    assert not [module for module in MODULES if module.rpartition(".")[2].strip("_") in drawers]


def test_no_file_is_above_300_lines_and_no_function_above_60() -> None:
    long = {name: len(path.read_text().splitlines()) for name, path in PATHS.items()}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}
    assert {name: lines for lines, name in house.functions(SOURCES) if lines > 60} == {}


def imported_by_tests(room: str) -> set[str]:
    """The modules that the tests of a room import, at any place."""
    files = [*(PROJECT / "tests" / room).rglob("test_*.py"), *(PROJECT / "tests").glob("test_*.py")]
    return set().union(*(house.imported(ast.parse(path.read_text()), set(SOURCES)) for path in files))


def test_every_file_has_its_test() -> None:
    """A file has a test of its name or is imported by a test of its room; offers of a shelf and commands are found by
    name in the test of the whole shelf, and where the command is run."""
    rooms = {house.room(module) for module in PATHS}
    tested = {room: imported_by_tests(room) for room in rooms}
    commands = "".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))
    missing = []
    for module, path in PATHS.items():
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        twin = PROJECT.joinpath("tests", *parts[:-1], f"test_{parts[-1].lstrip('_')}.py")
        command = f'"{parts[-1].removesuffix("_command")}"' in commands and parts[0] == "cli"
        if not (twin.is_file() or module in tested[house.room(module)] or shelf_of(module) or command):
            missing.append(f"{module}: write {twin.relative_to(PROJECT)}")
    assert not missing, "\n".join(missing)

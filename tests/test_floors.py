"""Imports go down, rooms do not tangle, shelves hold offers, and every file has its test.

A rule is one test over all files, and its message lists every breach. docs/architecture.md has the rules in words.
"""

import ast
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter

import house
from places import PROJECT

from omlzoo import catalog

PACKAGE = PROJECT / "omlzoo"
FLOORS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["omlzoo"]["floors"]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {"omlzoo", "omlzoo.__main__"}  # what users import, and what python -m runs
SOURCES = house.sources()
MODULES = {name: tree for name, tree in SOURCES.items() if name not in DOORS}
PATHS = {
    name: path
    for name in MODULES
    for path in [PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")]
    if path.is_file()
}
LOOKS_UP = {"omlzoo.models._extractor"}  # names, for type checkers alone, the facts that a model holds
SHELVES = [f"omlzoo.{shelf}" for shelf in catalog.SHELVES]
NETWORK = {"huggingface_hub", "requests", "httpx", "urllib.request", "socket", "http.client"}


def shelf_of(module: str) -> str | None:
    parent = module.rpartition(".")[0]
    return parent if parent in SHELVES and not module.rpartition(".")[2].startswith("_") else None


def imported(module: str) -> set[str]:
    """The modules of the package that one imports, but for those that only type checkers see where that is allowed."""
    tree = MODULES[module]
    if module in LOOKS_UP:
        body = [
            node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ]
        tree = ast.Module(body, [])
    return house.imported(tree, set(SOURCES)) - {module}


EDGES = {module: imported(module) for module in MODULES}


def test_there_are_files_and_every_room_has_a_floor() -> None:
    assert len(PATHS) > 100
    assert {house.room(module) for module in MODULES} == set(FLOOR)


def test_the_root_has_few_things() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8
    assert len({path.parent for path in PACKAGE.glob("*/*.py")}) <= 20
    assert len(FLOORS) <= 9


def test_imports_go_down_or_stay_in_the_room() -> None:
    wrong = [
        f"{here} (floor {FLOOR[house.room(here)]}) imports {other} (floor {FLOOR[house.room(other)]}); "
        "move the shared part down, or pass it as an argument"
        for here, others in EDGES.items()
        for other in others
        if house.room(here) != house.room(other) and FLOOR[house.room(other)] >= FLOOR[house.room(here)]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter(EDGES).prepare()


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


def test_no_assert_and_no_print_outside_tests_and_commands() -> None:
    for module, tree in MODULES.items():
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], (
            f"{module}: raise an error of ours"
        )
        calls = [
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert house.room(module) == "cli" or "print" not in calls, f"{module}: return a value; only omlzoo.cli prints"


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

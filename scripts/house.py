"""Measure the house: rooms, arrows between them, circles, long files and functions, stand-ins.

python scripts/house.py            prints a line for each figure
python scripts/house.py --arrows   also prints every arrow between rooms
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "omlzoo"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
FLOORS = [re.split(r" [|:] ", layer) for layer in CONTRACTS[0]["layers"]]
GROUND = {"__init__", "errors", "catalog", "files", "jsonio", "progress", "atomic", "strict", "jsontext"}


def sources() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name, parsed."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module, modules: set[str]) -> set[str]:
    """Names of the package's modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in modules else node.module)
    return {name for name in found if name in modules and name != "omlzoo"}


def room(module: str) -> str:
    """The first folder, or the file at the root."""
    return module.split(".")[1] if "." in module else "__init__"


def arrows(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Of each module those it imports."""
    return {name: imported(tree, set(modules)) - {name} for name, tree in modules.items()}


def between_rooms(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same of rooms, the ground left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, others in edges.items():
        for other in others:
            if room(name) != room(other) and not {room(name), room(other)} & GROUND:
                found[room(name)].add(room(other))
    return found


def circle(edges: dict[str, set[str]]) -> str:
    """A circle, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return " -> ".join(error.args[1])
    return "none"


def functions(modules: dict[str, ast.Module]) -> Iterator[tuple[int, str]]:
    """Lines of code of each function, its docstring and functions inside it counted with it but for the docstring."""
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                text = isinstance(first, ast.Expr) and isinstance(getattr(first, "value", None), ast.Constant)
                prose = (first.end_lineno or 0) - first.lineno + 1 if text else 0
                yield (node.end_lineno or 0) - node.lineno + 1 - prose, f"{name}.{node.name}"


def protocols(modules: dict[str, ast.Module]) -> list[str]:
    """Classes that are protocols."""
    return [
        f"{name}.{node.name}"
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).split("[")[0] == "Protocol" for base in node.bases)
    ]


def figures() -> dict[str, object]:
    """Every figure by its name."""
    modules = sources()
    edges = arrows(modules)
    rooms = between_rooms(edges)
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    longest, name = max(functions(modules))
    text = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    fans = {here: len(others) for here, others in rooms.items()}
    files = {here: len({room(other) for other in others} - GROUND - {room(here)}) for here, others in edges.items()}
    busiest = max(files, key=files.__getitem__)
    return {
        "Python files at the root": len(list(PACKAGE.glob("*.py"))),
        "folders at the root": len(
            [each for each in PACKAGE.iterdir() if each.is_dir() and each.name != "__pycache__"]
        ),
        "floors": len(FLOORS),
        "rooms": len({room(name) for name in modules} - GROUND),
        "arrows between rooms": sum(fans.values()),
        "arrows between files": sum(map(len, edges.values())),
        "circle of rooms": circle(rooms),
        "circle of files": circle(edges),
        "most rooms that one room imports": f"{max(fans.values())} ({max(fans, key=fans.__getitem__)})",
        "most rooms that one file imports": f"{files[busiest]} ({busiest})",
        "longest file": f"{max(lines.values())} ({max(lines, key=lines.__getitem__).relative_to(ROOT)})",
        "longest function": f"{longest} ({name})",
        "functions above 60 lines": sum(length > 60 for length, _ in functions(modules)),
        "protocols": ", ".join(protocols(modules)),
        "facts: Any": len(re.findall(r"\b(facts|weights|entry): Any\b", text)),
        "stacklevel=": len(re.findall(r"stacklevel=|OmlzooWarning, \d", text)),
    }


def main() -> int:
    for name, value in figures().items():
        print(f"{name:34} {value}")
    if "--arrows" in sys.argv:
        for here, others in sorted(between_rooms(arrows(sources())).items()):
            print(f"{here}: {', '.join(sorted(others))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

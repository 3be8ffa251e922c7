"""Everything that a file offers in ``__all__`` is documented: what it is, its arguments, and what it raises."""

import ast
import re
from collections.abc import Iterator

import house
import pytest

SOURCES = house.sources()
Function = ast.FunctionDef | ast.AsyncFunctionDef
SECTION = {"Args": re.compile(r"^\s*(Args:|Parameters$)", re.M), "Raises": re.compile(r"^\s*Raises:", re.M)}
QUIET = {"NotImplementedError", "AttributeError", "SystemExit", "KeyboardInterrupt", "StopIteration", ""}


def offers(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def public(module: str) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Classes, functions and public methods of a file's ``__all__``, by their full names."""
    tree = SOURCES[module]
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and node.name in offers(tree):
            yield f"{module}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, Function) and not inner.name.startswith("_"):
                        yield f"{module}.{node.name}.{inner.name}", inner


def arguments(node: Function) -> list[str]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [each.arg for each in every if each.arg not in ("self", "cls")]


def raised(node: Function) -> set[str]:
    """The errors of ours that a function raises itself, not in functions inside it."""
    found, waiting = set(), list(node.body)
    while waiting:
        each = waiting.pop()
        if isinstance(each, Function | ast.Lambda):
            continue
        if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call):
            found.add(ast.unparse(each.exc.func).rpartition(".")[2])
        waiting += ast.iter_child_nodes(each)
    return found - QUIET


PUBLIC = [pair for module in SOURCES for pair in public(module)]
FUNCTIONS = [(name, node) for name, node in PUBLIC if isinstance(node, Function)]


def text(node: ast.ClassDef | Function) -> str:
    return ast.get_docstring(node) or ""


def inherited(name: str) -> bool:
    """Methods that a parent class documents: an extractor's, a loss's, a module's forward, a log's, a protocol's."""
    return name.rpartition(".")[2] in {
        "forward", "embed", "stages", "steps", "compute", "train", "load_state_dict", "extra_repr", "add", "close",
        "connection_made", "connection_lost", "on_response_complete", "configure_optimizers", "training_step",
        "set_epoch", "remove", "search", "save", "restore", "update", "state_dict",
    }  # fmt: skip


def test_there_is_something_to_document() -> None:
    assert len(FUNCTIONS) > 200


def test_every_offer_says_what_it_is() -> None:
    assert not [name for name, node in PUBLIC if not text(node) and not inherited(name)]


@pytest.mark.parametrize("room", sorted({house.room(module) for module in SOURCES}))
def test_functions_of_two_arguments_describe_them(room: str) -> None:
    missing = [f"{name}({', '.join(arguments(node))})" for name, node in FUNCTIONS
               if house.room(name) == room and len(arguments(node)) >= 2 and not SECTION["Args"].search(text(node))
               and not inherited(name)]  # fmt: skip
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("room", sorted({house.room(module) for module in SOURCES}))
def test_described_arguments_are_those_there_are(room: str) -> None:
    wrong = []
    for name, node in FUNCTIONS:
        section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text(node), re.M)
        if house.room(name) == room and section:
            described = re.findall(r"^    \*{0,2}(\w+):", section[1], re.M)
            taken = [*arguments(node), *(each.arg for each in (node.args.vararg, node.args.kwarg) if each)]
            wrong += [f"{name}: {sorted(set(described) ^ set(taken))}"] if set(described) != set(taken) else []
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", sorted({house.room(module) for module in SOURCES}))
def test_functions_say_what_they_raise(room: str) -> None:
    missing = [f"{name}: {', '.join(sorted(raised(node)))}" for name, node in FUNCTIONS
               if house.room(name) == room and raised(node) and not SECTION["Raises"].search(text(node))
               and not re.search(r"\b(Raise|raises?|Refuse)\b", text(node)) and room != "cli"]  # fmt: skip
    assert not missing, "\n".join(missing)

"""Parts of a run that users bring: an object in Python, or ``module:Name`` on the command line.

A recipe keeps texts. The text of an own part is the name that it can be imported by, with its arguments, as one would
write the call: ``mypackage.losses:Mine(margin=0.3)``. In this process the text carries the object itself. In a file it
is only a name: what may be imported is what the user named in this call, never what a file says.
"""

import ast
import copy
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from omlzoo.errors import BadInput, OmlzooError, notice
from omlzoo.models._trust import is_trusted
from omlzoo.training.part_identity import describe

__all__ = [
    "SAID",
    "OwnPart",
    "calling",
    "from_worker",
    "is_own",
    "make_part",
    "own_part",
    "say_untold",
    "spelt",
    "takes",
    "trusted_part",
]

NAME = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)(\(.*\))?(#[0-9a-f]+)?", re.DOTALL)
OURS = "omlzoo."
PARTS = ("losses", "miners", "objectives", "samplers", "training.callbacks")  # of ours, whose classes a file may name
SAID = 200  # characters of another's message that ours repeats


class OwnPart(str):
    """The text by which a recipe names a part, with the object that it stands for.

    Attributes:
        thing: The object, class or function.
        arguments: Arguments for a class or a function that makes the part; None for what is used as it is.
        untold: What keeps the text from telling this object from another; empty where nothing does.
    """

    thing: Any
    arguments: dict[str, Any] | None
    untold: str = ""

    def __deepcopy__(self, memory: dict[int, Any]) -> "OwnPart":
        """Itself: a text, like any other, is never copied, nor is what it stands for."""
        return self


def is_own(text: str) -> bool:
    """Whether a setting names an own part, and not one of omlzoo's."""
    return isinstance(text, OwnPart) or ":" in text


def own_part(given: Any, setting: str) -> OwnPart:
    """An own part of an object, or of the name that the user gave in this call, which is imported.

    Args:
        given: An object, or a text such as "mypackage.losses:Mine(margin=0.3)".
        setting: The setting that it is for, for messages.

    Raises:
        BadInput: The text is no such name, or it cannot be imported.
    """
    if isinstance(given, OwnPart):
        return given
    if isinstance(given, str):
        return _named(given, setting)
    described = describe(given)
    made = _part(described.text, given, {} if isinstance(given, type) else None)
    made.untold = described.why
    return made


def _named(text: str, setting: str, from_file: bool = False) -> OwnPart:
    """The part that a text names, imported on the user's word; of a file's text, only what is defined where he said."""
    module, name, arguments, digest = spelt(text, setting)
    thing: Any = _imported(module, setting, text)
    for step in name.split("."):
        if not hasattr(thing, step):
            raise BadInput(f"{setting} is {text!r}, but {module} has no {name}; check the name")
        thing = getattr(thing, step)
    if from_file:
        _check_home(thing, text, setting)
    made = _part(text, thing, {} if arguments is None and isinstance(thing, type) else arguments)
    if digest:
        made = _as_recorded(made, digest, setting)
    return made


def _check_home(thing: Any, text: str, setting: str) -> None:
    """Refuse what a file's text reaches through a trusted module, but is defined elsewhere: ``mypackage:os.system``.

    Of this package's own modules a file may name the classes of parts, and nothing else.
    """
    home = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    ours = isinstance(thing, type) and any(home.startswith(f"{OURS}{part}.") for part in PARTS)
    if isinstance(thing, ModuleType) or not (ours or (not home.startswith(OURS) and is_trusted(home))):
        found = home.strip(".") or type(thing).__name__
        raise BadInput(
            f"{setting} is {text!r}, a name in a file that leads to {found}; a file may name what is defined in a "
            f"package that is named in this call (--trust): name its own, or give {setting} again"
        )


def _as_recorded(part: OwnPart, digest: str, setting: str) -> OwnPart:
    """The object that was handed over when the text was written, made again from its name and arguments."""
    thing = part.thing if part.arguments is None else make_part(part, setting, {})
    if not describe(thing).text.endswith(digest):
        raise BadInput(
            f"{setting} is {str(part)!r}: made again from this name and these arguments it is another than the one "
            f"that was handed over; hand over the same object again ({setting}=...)"
        )
    return _part(str(part), thing, None)


def _part(text: str, thing: Any, arguments: dict[str, Any] | None) -> OwnPart:
    made = OwnPart(text)
    made.thing, made.arguments = thing, arguments
    return made


def spelt(text: str, setting: str) -> tuple[str, str, dict[str, Any] | None, str]:
    """The module, the name, the arguments and the digest of a text "module:Name(argument=value)#digest".

    Args:
        text: The text.
        setting: The setting that it is for, for messages.

    Raises:
        BadInput: It is no such text, or an argument is no plain value.
    """
    found = NAME.fullmatch(text)
    rule = "it must be module:Name, or module:Name(argument=value) with plain values"
    if found is None:
        raise BadInput(f"{setting} is {text!r}; {rule}")
    module, name, call, digest = found.groups()
    if call is None:
        return module, name, None, digest or ""
    try:
        tree: Any = ast.parse(f"f{call}", mode="eval").body
        if tree.args or not all(each.arg for each in tree.keywords):
            raise ValueError("arguments have names")
        return module, name, {each.arg: ast.literal_eval(each.value) for each in tree.keywords}, digest or ""
    except (SyntaxError, ValueError, AttributeError) as error:
        raise BadInput(f"{setting} is {text!r}; {rule}") from error


def trusted_part(text: str, setting: str) -> OwnPart:
    """The own part of a text that may come from a file: imported only where the user named its package in this call.

    Args:
        text: The text of a recipe.
        setting: The setting that it is for.

    Raises:
        BadInput: The text is only a name, and its package was not named.
    """
    if isinstance(text, OwnPart):
        return text
    module, name, _, _ = spelt(text, setting)
    if not module.startswith(OURS) and not is_trusted(f"{module}.{name}"):
        package = module.partition(".")[0]
        raise BadInput(
            f"{setting} is {text!r}, a name in a file, and files import nothing; name its package in this call "
            f'(--trust {package}, trust="{package}"), or give {setting} again'
        )
    return _named(text, setting, from_file=True)


def make_part(text: str, setting: str, context: Mapping[str, Any]) -> Any:
    """The object of an own part; a class is called with its arguments and with those of the context that it takes.

    Args:
        text: The text of the recipe.
        setting: The setting that it is for.
        context: Values by name of argument that a run knows, such as "dim".

    Returns:
        A copy of what was handed over, so that two runs do not share its state; callbacks are handed over themselves.

    Raises:
        BadInput: It is only a name and not trusted, or it cannot be made.
    """
    part = trusted_part(text, setting)
    if part.arguments is not None:
        known = takes(part.thing)
        fitting = {name: value for name, value in context.items() if name in known}
        with calling(setting, part, "cannot be made"):
            return part.thing(**{**fitting, **part.arguments})
    if setting == "callbacks" or inspect.isroutine(part.thing):
        return part.thing
    try:
        return copy.deepcopy(part.thing)
    except Exception:  # whatever a stranger's object raises
        notice(f"{setting} {part} cannot be copied; the run changes the object itself")
        return part.thing


def say_untold(parts: Iterable[tuple[str, OwnPart]]) -> None:
    """Say once which parts, each with its setting, a resumed run could not tell from others."""
    for setting, part in parts:
        if part.untold:
            notice(f"{setting} is {part}, which cannot be told from another ({part.untold}): a run that is resumed "
                   f"with another {setting} would not say so")  # fmt: skip


def takes(kind: Any) -> set[str]:
    """Names of the arguments that a class or function takes; of a class with ``**kwargs``, those of its bases too."""
    names: set[str] = set()
    for each in inspect.getmro(kind) if isinstance(kind, type) else (kind,):
        call = each.__dict__.get("__init__") if isinstance(kind, type) else each
        if call is None or each is object:
            continue
        try:
            parameters = inspect.signature(call).parameters.values()
        except (TypeError, ValueError):
            break
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


@contextmanager
def calling(setting: str, part: object, what: str = "raised an error") -> Iterator[None]:
    """A context in which a user's code is called; what it raises becomes one line, with its own error behind it.

    Args:
        setting: The setting that the code is for.
        part: The code, for the message.
        what: What has happened to it.

    Raises:
        BadInput: The code raised an error.
    """
    try:
        yield
    except OmlzooError:
        raise
    except Exception as error:
        first = str(error).strip().partition("\n")[0][:SAID]
        raise BadInput(f"{setting} {part} {what}: {type(error).__name__}: {first}") from error


def from_worker(error: BadInput) -> str:
    """The line of an error; where a process that loads pictures raised it, without the traceback that torch adds."""
    return str(error).rpartition("omlzoo.errors.BadInput: ")[2].strip()


def _imported(module: str, setting: str, text: str) -> Any:
    here = str(Path.cwd())
    if not {here, ""} & set(sys.path):
        sys.path.append(here)  # the command, unlike python -m, does not look beside the user's files
    try:
        return import_module(module)
    except Exception as error:  # a module may raise anything while it is imported
        first = str(error).strip().partition("\n")[0][:SAID]
        raise BadInput(
            f"{setting} is {text!r}, but {module} cannot be imported: {type(error).__name__}: {first}"
        ) from error

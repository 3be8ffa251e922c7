"""The recipe's settings as flags of the commands that train."""

import re
from dataclasses import asdict, fields, make_dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.errors import BadInput
from omlzoo.jsonio import parse_json

__all__ = ["NOTHING", "Flags", "settings_of"]

ARGUMENTS = ("loss_args", "objective_args", "teacher_args", "sampler_args")


def _flags() -> Any:
    """The recipe's settings with None for "not given", each with its text from the recipe's docstring."""
    from omlzoo.training.recipe import Recipe

    texts = dict(re.findall(r"^\s{8}(\w+): (.+?)$", Recipe.__doc__ or "", flags=re.MULTILINE))
    defaults = asdict(Recipe())
    settings = []
    tables: dict[str, Any] = dict.fromkeys(ARGUMENTS, dict[str, str]) | {"add_losses": dict[str, float]}
    for item in fields(Recipe):
        kind: Any = tables.get(item.name, item.type)
        text = f"{texts[item.name]} [default: {defaults[item.name]}]"
        settings.append((item.name, Annotated[kind | None, Parameter(help=text, show_default=False)], None))
    made = make_dataclass("Flags", settings)
    made.__module__ = __name__  # where its annotations are looked up
    return made


Flags: Any = _flags()
NOTHING = Flags()


def settings_of(flags: Any) -> dict[str, Any]:
    """The settings that were given, with numbers among their arguments read as numbers."""
    settings = {name: value for name, value in asdict(flags).items() if value is not None}
    for key in ARGUMENTS:
        if key in settings:
            settings[key] = {name: _number(text) for name, text in settings[key].items()}
    return settings


def _number(text: str) -> Any:
    try:
        return parse_json(text, "the setting")
    except BadInput:
        return text

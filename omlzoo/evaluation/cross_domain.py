"""Queries of one kind in a gallery of the others, such as sketches among photos: roles by the values of columns."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from omlzoo.data.filters import matching
from omlzoo.errors import BadInput

__all__ = ["Asked", "say_asked", "with_queries"]

Asked: TypeAlias = str | Sequence[str] | Mapping[str, Any]


def with_queries(frame: pd.DataFrame, queries: Asked) -> pd.DataFrame:
    """The rows with other roles: those that match are queries, all others the gallery.

    Args:
        frame: The rows to be measured.
        queries: "style=openmoji", several of them, or columns with the value or values that they must have, as
            ``where`` of a search has it. Of one column any value counts; of several columns all must match. Nothing
            behind the sign is an empty cell.

    Raises:
        UnknownName: The rows have no such column.
        BadInput: A condition has no sign, or no row matches, or all do.
    """
    asked = matching(frame, _conditions(queries))
    if not asked.any():
        raise BadInput(f"queries: no row to be measured has {say_asked(queries)}; give values that some have")
    if asked.all():
        raise BadInput(f"queries: all rows to be measured have {say_asked(queries)}, so the gallery would be empty")
    return frame.assign(is_query=asked, is_gallery=~asked)


def say_asked(queries: Asked) -> str:
    """The conditions in words.

    Args:
        queries: As in :func:`with_queries`.
    """
    said = []
    for column, values in _conditions(queries).items():
        listed = [values] if isinstance(values, str) or not isinstance(values, Sequence) else list(values)
        said.append(f"{column} {' or '.join('empty' if value == '' else str(value) for value in listed)}")
    return " and ".join(said)


def _conditions(queries: Asked) -> dict[str, Any]:
    if isinstance(queries, Mapping):
        found = dict(queries)
    else:
        found = {}
        for text in [queries] if isinstance(queries, str) else queries:
            column, sign, value = str(text).partition("=")
            if not sign or not column.strip():
                raise BadInput(f'queries is {text!r}; write a column and a value, such as "style=openmoji"')
            found.setdefault(column.strip(), []).append(value.strip())
    if not found:
        raise BadInput('queries has no condition; write a column and a value, such as "style=openmoji"')
    return found

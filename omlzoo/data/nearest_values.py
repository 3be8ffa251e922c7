"""What is said of a value that no row of a column has: the nearest that it has."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.column_values import kind_of
from omlzoo.data.filter_values import as_day, as_moment, as_number, as_text, is_missing

__all__ = ["said_of_absent"]

SAID = 3  # absent values that are told one by one
COMPARED = 2000  # texts that a text is compared with
LONGEST = 200  # characters of a text that is compared with others
SHOWN = 40  # characters of a value that a message repeats
FEW = 3  # values that a message lists


def said_of_absent(column: pd.Series, values: Sequence[Any]) -> list[str]:
    """A sentence for each value, of the first ones, and one for the rest.

    Args:
        column: The column, of rows that may be found.
        values: Values that none of these rows has.
    """
    said = [f"no row has {column.name} {_quoted(value)}{_instead(column, value)}" for value in values[:SAID]]
    more = len(values) - SAID
    return said + [f"nor has any row {more:,} more of the values of {column.name}"] * (more > 0)


def _instead(column: pd.Series, value: Any) -> str:
    """What the column has in place of the value."""
    filled = column.dropna()
    if not len(filled):
        return ", whose values are all empty"
    if is_missing(value):
        return ""
    kind = kind_of(column)
    if kind == "truth":
        return f"; it has {' and '.join(str(bool(one)) for one in sorted(filled.unique().tolist(), reverse=True))}"
    if kind == "number":
        number = as_number(value)
        return _around(filled, number) if number is not None else f", which is no number{_span(filled)}"
    if kind == "moment":
        time = as_day(value) if as_moment(value) is None else as_moment(value)
        times = pd.to_datetime(filled)
        return _around(times, _in_zone(time, times)) if time is not None else f", which is no date{_span(times)}"
    return _near_texts(filled, as_text(value))


def _around(column: pd.Series, value: Any) -> str:
    """The nearest values below and above."""
    below, above = column[column < value], column[column > value]
    near = [_shown(one) for part, one in ((below, below.max()), (above, above.min())) if len(part)]
    return f"; the nearest {'are' if len(near) > 1 else 'is'} {' and '.join(near)}" if near else ""


def _span(column: pd.Series) -> str:
    return f"; it has {_shown(column.min())} to {_shown(column.max())}"


def _in_zone(time: pd.Timestamp | None, times: pd.Series) -> pd.Timestamp | None:
    zone = times.dt.tz
    if time is None or (time.tzinfo is None) == (zone is None):
        return time
    return time.tz_localize(zone, ambiguous=True, nonexistent="shift_forward") if zone else time.tz_localize(None)


def _near_texts(filled: pd.Series, value: str) -> str:
    texts = pd.Series(filled.unique()).astype("str")
    if len(value) <= LONGEST:
        written = {text.casefold(): text for text in reversed(_candidates(texts, value))}
        near = get_close_matches(value.casefold(), written, n=FEW, cutoff=0.6)
        if near:
            return f"; the nearest {'are' if len(near) > 1 else 'is'} {' and '.join(_quoted(written[o]) for o in near)}"
    more = f" and {len(texts) - FEW:,} more" if len(texts) > FEW else ""
    return f"; it has {', '.join(_quoted(text) for text in sorted(texts[:COMPARED])[:FEW])}{more}"


def _candidates(texts: pd.Series, value: str) -> list[str]:
    """Texts that may be near; where they are many, those of an equal beginning and a similar length."""
    if len(texts) > COMPARED:
        apart = (texts.str.len() - len(value)).abs() + LONGEST * ~texts.str.startswith(value[:1])
        texts = texts.iloc[np.argsort(apart.to_numpy(), kind="stable")[:COMPARED]]
    return [text for text in texts.tolist() if len(text) <= LONGEST]


def _quoted(value: Any) -> str:
    if is_missing(value):
        return "without a value"
    text = _shown(value)
    return repr(text) if isinstance(value, str) else text


def _shown(value: Any) -> str:
    text = as_text(value)
    if isinstance(value, pd.Timestamp):
        text = text.removesuffix(" 00:00:00")
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."

"""What a value of a filter stands for: a truth value, a number, a day or a moment, a text, or what is missing."""

import datetime
import math
import os
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.table_rules import FALSE, TRUE
from omlzoo.errors import BadInput

__all__ = ["DAY", "MOMENT", "as_day", "as_moment", "as_number", "as_text", "as_truth", "is_missing", "values_of"]

NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
DAY = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*", re.ASCII)
MOMENT = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}[0-9:.]*\s*(Z|[+-][0-9]{2}(:?[0-9]{2})?)?\s*")
DIGITS = 400  # of a number; float64 ends at 309
DAYS = ("Y", "M", "W", "D")  # units of datetime64 without a time of day


def values_of(column: object, required: Any) -> list[Any]:
    """The values that a column may have, of one value or several.

    Args:
        column: Name of the column, for the message.
        required: A value, or a list, set, array, Series or tensor of values.

    Raises:
        BadInput: It is neither.
    """
    if hasattr(required, "detach"):  # a tensor
        required = required.detach().cpu().tolist()
    if isinstance(required, np.ndarray) and required.ndim == 0:
        required = required[()]
    if isinstance(required, os.PathLike) or _is_single(required):
        required = [required]
    listed = list(required) if isinstance(required, Iterable) and not isinstance(required, Mapping) else [required]
    wrong = [value for value in listed if not _is_single(value)]
    if wrong:
        what = f"{wrong[0]!r:.60} ({type(wrong[0]).__name__})"
        raise BadInput(
            f"where: {column} is {what}; give a value, such as a text, a number or a date, or a list of them"
        )
    return [os.fspath(value) if isinstance(value, os.PathLike) else value for value in listed]


def is_missing(value: Any) -> bool:
    """Whether a value stands for an empty cell: None, NaN, NaT, NA and ""."""
    return (
        value is None or (isinstance(value, str) and value == "") or (pd.api.types.is_scalar(value) and pd.isna(value))
    )


def as_truth(value: Any) -> bool | None:
    """The truth value in any spelling that a table may have: true, 1, 1.0, in small letters or large; else None."""
    text = str(value).strip().lower()
    return True if text in TRUE else False if text in FALSE else None


def as_number(value: Any) -> int | float | Decimal | None:
    """The number, also where it is written as text; None for what is none. Whole numbers are int, however large."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, str):
        if not NUMBER.fullmatch(value) or len(value) > DIGITS:
            return None
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            return None
    if isinstance(value, np.floating):  # of float32 what it is printed as: 0.1 and not 0.10000000149
        value = float(str(value))
    if isinstance(value, np.integer):
        value = int(value)
    if not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > DIGITS):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return int(value) if value == int(value) else value


def as_day(value: Any) -> pd.Timestamp | None:
    """The midnight that begins a day, where the value is a date without a time of day."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return _timestamp(value)
    if isinstance(value, np.datetime64):
        return _timestamp(value) if np.datetime_data(value.dtype)[0] in DAYS else None
    return _timestamp(value.strip()) if isinstance(value, str) and DAY.fullmatch(value) else None


def as_moment(value: Any) -> pd.Timestamp | None:
    """The moment, with the time zone that it has, where the value is a date with a time of day."""
    if isinstance(value, datetime.datetime):
        return _timestamp(value)
    if isinstance(value, np.datetime64):
        return None if np.datetime_data(value.dtype)[0] in DAYS else _timestamp(value)
    return _timestamp(value.strip()) if isinstance(value, str) and MOMENT.fullmatch(value) else None


def as_text(value: Any) -> str:
    """The value as a table has it: whole numbers without a decimal point."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _timestamp(value: Any) -> pd.Timestamp | None:
    try:
        found: Any = pd.Timestamp(value)
    except (ValueError, OverflowError):  # 2024-02-30, or beyond what pandas can count
        return None
    return None if pd.isna(found) else found


def _is_single(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value)) or isinstance(value, os.PathLike | datetime.date | Number)

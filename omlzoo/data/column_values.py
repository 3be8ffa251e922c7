"""Which rows of a column have one of some values, compared as the kind that the column is: see :func:`rows_with`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from omlzoo.data.filter_values import DAY, MOMENT, as_day, as_moment, as_number, as_text, as_truth, is_missing
from omlzoo.data.table_rules import FALSE, TRUE
from omlzoo.data.written_text import is_writable
from omlzoo.errors import BadInput

__all__ = ["Found", "kind_of", "rows_with"]

NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
OBJECTS = {
    "boolean": "truth",
    "date": "moment",
    "datetime": "moment",
    "datetime64": "moment",
    "string": "text",
    "empty": "text",
}
FIRST = 100  # texts that are looked at before all are


@dataclass(frozen=True)
class Found:
    """Rows of a column.

    Attributes:
        rows: (N,) bool, the rows that have one of the values.
        present: (V,) bool, the values that a row has.
    """

    rows: np.ndarray
    present: np.ndarray


def rows_with(column: pd.Series, values: Sequence[Any], among: np.ndarray, is_id: bool = False) -> Found:
    """Find the rows that have one of the values.

    Args:
        column: (N,), of any kind. Columns of bool are compared with truth values in every spelling, numbers with
            numbers and texts that are some, times with days and moments; texts exactly, and where they are truth values
            or dates by what they mean.
        values: (V,).
        among: (N,) bool, rows that may make a value ``present``.
        is_id: Whether the column's texts are names: then "1" is not "1.0", nor "true" "True".

    Raises:
        BadInput: A value has a time zone and the column has none.
    """
    kind = kind_of(column)
    if kind == "category":
        return _of_categories(column, values, among, is_id)
    if kind == "mixed":
        return _of_mixed(column, values, among, is_id)
    found, present = np.zeros(len(column), dtype=bool), np.zeros(len(values), dtype=bool)
    empty = np.array([is_missing(value) for value in values], dtype=bool)
    if empty.any():
        gone = column.isna().to_numpy(dtype=bool)
        if kind == "text":
            gone = gone | (column == "").fillna(False).to_numpy(dtype=bool)
        found |= gone
        present[empty] = bool((gone & among).any())
    meant = [(place, value) for place, value in enumerate(values) if not empty[place]]
    passes = {"truth": _truths, "number": _numbers, "moment": _moments, "text": _texts}[kind]
    for keys, wanted in passes(column, meant, is_id) if meant else ():
        places, asked = [place for place, key in wanted if key is not None], [k for _, k in wanted if k is not None]
        if not asked:
            continue
        mask, here = _looked_up(keys, asked, among)
        found |= mask
        present[places] |= here
    return Found(found, present)


def _looked_up(keys: pd.Series, asked: Sequence[Any], among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows (N,) bool whose key is one that is asked for; and which of those, (V,) bool, rows of ``among`` have."""
    if len(asked) > 1 and isinstance(keys.dtype, pd.StringDtype):
        texts = list(dict.fromkeys(asked))
        places = pc.index_in(pa.array(keys, from_pandas=True), pa.array(texts)).to_numpy(zero_copy_only=False)
        mask = ~np.isnan(places)
        there = dict(zip(texts, np.bincount(places[mask & among].astype(int), minlength=len(texts)) > 0, strict=True))
        return mask, np.array([there[text] for text in asked])
    mask = keys.isin(asked).to_numpy(dtype=bool)
    here = mask & among
    if len(asked) == 1 or not here.any():
        return mask, np.full(len(asked), here.any())
    return mask, np.asarray(pd.Series(asked).isin(keys[here].unique()))


def kind_of(column: pd.Series) -> str:
    """ "truth", "number", "moment", "text", "category" or "mixed"."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_bool_dtype(kind):
        return "truth"
    if pd.api.types.is_numeric_dtype(kind):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(kind):
        return "moment"
    if not pd.api.types.is_object_dtype(kind):
        return "text"
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    return "number" if inferred in NUMBERS else OBJECTS.get(inferred, "mixed")


Wanted = list[tuple[int, Any]]  # positions of values and what stands for them; None for nothing
Passes = Iterator[tuple[pd.Series, Wanted]]


def _truths(column: pd.Series, values: Wanted, is_id: bool) -> Passes:
    yield column, [(place, as_truth(value)) for place, value in values]


def _numbers(column: pd.Series, values: Wanted, is_id: bool) -> Passes:
    numbers = [(place, as_number(value)) for place, value in values]
    if pd.api.types.is_object_dtype(column.dtype):  # Decimal, or integers of any size, equal where Python says so
        yield column, numbers
        yield column, [(place, _float(number)) for place, number in numbers]
    elif pd.api.types.is_integer_dtype(column.dtype):
        ends = np.iinfo(_numpy_kind(column))
        yield column, [(p, n if isinstance(n, int) and ends.min <= n <= ends.max else None) for p, n in numbers]
    else:
        kind = _numpy_kind(column).type
        yield column, [(place, _float(number, kind)) for place, number in numbers]
    words = [(place, as_truth(value)) for place, value in values if as_number(value) is None]
    if any(word is not None for _, word in words) and bool(column.dropna().isin([0, 1]).all()):
        yield column, [(place, None if word is None else int(word)) for place, word in words]


def _numpy_kind(column: pd.Series) -> np.dtype:
    kind: Any = getattr(column.dtype, "numpy_dtype", column.dtype)
    found: np.dtype = np.dtype(kind)
    return found


def _float(number: Any, kind: Any = np.float64) -> float | None:
    """The number as a column of that kind has it; None for integers that it would round."""
    if number is None:
        return None
    try:
        with np.errstate(over="ignore"):
            found = float(kind(float(number)))
    except OverflowError:
        return None
    return None if isinstance(number, int) and found != number and kind is np.float64 else found


def _moments(column: pd.Series, values: Wanted, is_id: bool) -> Passes:
    times = column
    if pd.api.types.is_object_dtype(column.dtype):
        aware = [getattr(value, "tzinfo", None) is not None for value in column.dropna()]
        times = pd.to_datetime(column, errors="coerce", utc=any(aware))
    zone = times.dt.tz
    wall = times if zone is None else times.dt.tz_localize(None)
    days = [(place, as_day(value)) for place, value in values]
    if any(day is not None for _, day in days):
        yield wall.dt.floor("D"), days
    moments = [(place, as_moment(value)) for place, value in values]
    yield wall, [(place, None if moment is None or moment.tzinfo else moment) for place, moment in moments]
    aware_moments = [(place, moment) for place, moment in moments if moment is not None and moment.tzinfo]
    if aware_moments and zone is None:
        raise BadInput(f"where: {column.name} has no time zone and {aware_moments[0][1]} has one; leave it out")
    if aware_moments:
        utc = times.dt.tz_convert("UTC").dt.tz_localize(None)
        yield utc, [(place, _utc(moment)) for place, moment in aware_moments]


def _texts(column: pd.Series, values: Wanted, is_id: bool) -> Passes:
    if not isinstance(column.dtype, pd.StringDtype):
        column = column.astype("str")  # what is missing stays so
    yield column, [(place, _writable(as_text(value))) for place, value in values]
    if is_id:
        return
    if any(as_truth(value) is not None for _, value in values) and _all_truths(column):
        low = column.str.strip().str.lower()
        yield low.isin(TRUE).where(low.isin({*TRUE, *FALSE})), [(place, as_truth(value)) for place, value in values]
    days = [(place, as_day(value)) for place, value in values]
    moments = [(place, as_moment(value)) for place, value in values]
    if any(one is not None for _, one in [*days, *moments]) and _all_dates(column):
        yield from _written_times(column, days, moments)


def _written_times(column: pd.Series, days: Wanted, moments: Wanted) -> Passes:
    """The times of a column of ISO dates, whose texts may have a time zone each."""
    codes, texts = pd.factorize(column)
    known = pd.Series(texts, dtype="str").str.strip()
    bare = pd.to_datetime(known.str.replace(r"(?<=\d)\s*(Z|[+-]\d\d(:?\d\d)?)$", "", regex=True).where(
        known.str.len() > len("2024-01-02"), known), format="ISO8601", errors="coerce")  # fmt: skip
    zoned = known.str.contains(r":[0-9.:]*\s*(?:Z|[+-]\d\d(?::?\d\d)?)$", regex=True)
    utc = pd.to_datetime(known.where(zoned), format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)

    def of_rows(times: pd.Series) -> pd.Series:
        return times.reindex(codes).reset_index(drop=True)  # code -1 is of no text

    yield of_rows(bare.dt.floor("D")), days
    yield of_rows(bare), [(place, None if m is None or m.tzinfo else m) for place, m in moments]
    yield of_rows(utc), [(place, _utc(m) if m is not None and m.tzinfo else None) for place, m in moments]


def _writable(text: str) -> str | None:
    return text if is_writable(text) else None  # no table has half of a surrogate pair


def _utc(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_convert("UTC").tz_localize(None)


def _all_truths(column: pd.Series) -> bool:
    """Whether all texts are truth values, so that True and "TRUE" are one."""
    return _all(column, lambda texts: texts.str.strip().str.lower().isin({*TRUE, *FALSE}))


def _all_dates(column: pd.Series) -> bool:
    return _all(column, lambda texts: texts.str.fullmatch(f"(?:{DAY.pattern})|(?:{MOMENT.pattern})"))


def _all(column: pd.Series, test: Any) -> bool:
    """Whether the texts that are there pass a test; a few are tried first."""
    filled = column[column.notna() & (column != "")]
    return bool(len(filled)) and bool(test(filled.iloc[:FIRST]).all()) and bool(test(filled).all())


def _of_categories(column: pd.Series, values: Sequence[Any], among: np.ndarray, is_id: bool) -> Found:
    codes = column.cat.codes.to_numpy()
    names = pd.Series(column.cat.categories, name=column.name)
    used = np.zeros(len(names), dtype=bool)
    used[codes[among & (codes >= 0)]] = True
    found = rows_with(names, values, used, is_id)
    rows = np.append(found.rows, False)[codes]  # code -1 is the last
    empty = np.array([is_missing(value) for value in values], dtype=bool)
    if empty.any():
        rows = rows | (codes < 0)
    return Found(rows, found.present | (empty & bool((rows & (codes < 0) & among).any())))


def _of_mixed(column: pd.Series, values: Sequence[Any], among: np.ndarray, is_id: bool) -> Found:
    """Of objects of several kinds each kind by itself; what is none of them is compared as text."""
    kinds = np.array([_kind_of_value(value) for value in column], dtype="U8")
    rows, present = np.zeros(len(column), dtype=bool), np.zeros(len(values), dtype=bool)
    for kind in dict.fromkeys(kinds.tolist()):
        part = kinds == kind
        chosen = column[part].reset_index(drop=True)
        found = rows_with(chosen if kind != "text" else chosen.astype("str"), values, among[part], is_id)
        rows[part], present = found.rows, present | found.present
    return Found(rows, present)


def _kind_of_value(value: Any) -> str:
    if is_missing(value):
        return "empty"
    if isinstance(value, bool | np.bool_):
        return "truth"
    if not isinstance(value, str) and as_number(value) is not None:
        return "number"
    if isinstance(value, str) or (as_day(value) is None and as_moment(value) is None):
        return "text"
    return "zoned" if getattr(value, "tzinfo", None) else "moment" if hasattr(value, "hour") else "day"

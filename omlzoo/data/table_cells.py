"""Cells of a table: the known columns as text, by which they are checked, and as the types that they have then."""

import pandas as pd

from omlzoo.data.table_rules import BOX, COLUMNS, TRUE

__all__ = ["as_text", "as_typed"]


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The known columns as text, "" for missing values, floats that are whole numbers without a decimal point.

    Spaces around a value do not count, but for paths: a file's name may begin or end with one.
    """
    columns = {}
    for column in (c for c in COLUMNS if c in frame):
        values = frame[column]
        empty = values.isna()
        if pd.api.types.is_float_dtype(values):
            values = values.map(lambda v: str(int(v)) if float(v).is_integer() else str(v), na_action="ignore")
        if not isinstance(values.dtype, pd.StringDtype):
            values = values.astype(object).where(~empty, "").map(str)
        text = values.fillna("").astype("str")
        columns[column] = text if column == "path" else text.str.strip()
    return pd.DataFrame(columns, index=frame.index, dtype="str")


def as_typed(text: pd.DataFrame) -> pd.DataFrame:
    """The known columns converted to their types."""
    typed = text.copy()
    for column in text.columns:
        value = text[column]
        if column in BOX:
            typed[column] = pd.to_numeric(value.where(value != "")).astype("Int64")
        elif column in ("is_query", "is_gallery"):
            typed[column] = value.str.lower().isin(TRUE)
        elif column in ("label", "category", "sequence"):
            typed[column] = _ids(value)
        else:
            typed[column] = value
    return typed


def _ids(value: "pd.Series[str]") -> "pd.Series[str] | pd.Series[int]":
    """The ids as integers if all are written as integers, else as text; "007" is text."""
    if len(value) and value.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all():
        return value.astype("int64")
    return value

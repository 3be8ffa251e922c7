"""Parsers of a request's fields; a malformed field is refused with a message of one line."""

import json
import math
from typing import Annotated, Any

from fastapi import File, Form, HTTPException, UploadFile

from omlzoo.index.combining import COMBINATIONS, Combination
from omlzoo.index.index import Index
from omlzoo.jsonio import parse_json

__all__ = [
    "Box",
    "Column",
    "Combined",
    "Filter",
    "Least",
    "Number",
    "Order",
    "RowNumbers",
    "Upload",
    "Words",
    "parse_box",
    "parse_combine",
    "parse_threshold",
    "parse_where",
    "row_of",
    "rows_of",
]

REPEATED = 80  # characters of a field that a message repeats
FILTER = 20_000  # characters of a filter
EXAMPLES = 32  # rows that are examples, and as many negatives

Number = Annotated[int, Form(ge=1)]
Upload = Annotated[UploadFile | None, File()]
Box = Annotated[str | None, Form(max_length=200, description="left, top, right, bottom in pixels")]
Filter = Annotated[str | None, Form(description='JSON, such as {"category": "boot"}')]
Least = Annotated[str | None, Form(max_length=200, description="a least score or a name of the calibration")]
Order = Annotated[str | None, Form(max_length=40, description="reciprocal, expansion or average_expansion")]
Column = Annotated[str | None, Form(max_length=200, description="a column of which each value is found once")]
Combined = Annotated[str | None, Form(max_length=40, description="average, any or all: several examples as one")]
RowNumbers = Annotated[list[int] | None, Form(description=f"rows as further examples, at most {EXAMPLES}")]
Words = Annotated[str | None, Form(max_length=2000, description="for a model with a text tower")]


def row_of(index: Index, row: int | None) -> int:
    """The number of a row, checked.

    Args:
        index: The index that has the row.
        row: The number of the row, from 0, as the request gives it; None is refused.

    Raises:
        HTTPException: Status 404: there is no such row, or its picture could not be read.
    """
    if row is None or not 0 <= row < len(index.embeddings) or not index.embeddings.good[row]:
        raise HTTPException(404, f"there is no row {row}")
    return row


def rows_of(index: Index, rows: list[int] | None) -> tuple[int, ...]:
    """The numbers of rows that are examples, checked.

    Args:
        index: The index that has the rows.
        rows: Their numbers; None for none.

    Raises:
        HTTPException: Status 404: there is no such row. Status 422: they are too many.
    """
    if len(rows or ()) > EXAMPLES:
        raise HTTPException(422, f"{len(rows or ())} rows are given as examples; at most {EXAMPLES} can be")
    return tuple(row_of(index, row) for row in rows or ())


def parse_combine(text: str | None, further: bool) -> Combination | None:
    """How several examples are one query; None for an empty field.

    Args:
        text: The field.
        further: Whether the request has further examples or negatives, which are averaged where nothing is said.

    Raises:
        HTTPException: Status 422: there is no such way.
    """
    if not text:
        return "average" if further else None
    for name in COMBINATIONS:
        if text == name:
            return name
    raise HTTPException(422, f"combine is {text!r}; it must be one of {', '.join(COMBINATIONS)}")


def parse_box(text: str | None) -> tuple[int, int, int, int] | None:
    """The corners "left,top,right,bottom" in pixels; None for an empty field.

    Raises:
        HTTPException: Status 422: the field is not four numbers.
    """
    if not text:
        return None
    try:
        left, top, right, bottom = (round(float(part)) for part in text.split(","))
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"box is {text[:REPEATED]!r}; it must be left,top,right,bottom in pixels") from error
    return left, top, right, bottom


def parse_where(text: str | None) -> dict[str, Any] | None:
    """The columns of a JSON object and the value, or values, that a row must have in each; None for an empty field.

    Raises:
        HTTPException: Status 422: the field is no JSON object, too long, or a value is an object or a list in a list.
    """
    if not text:
        return None
    if len(text) > FILTER:
        raise HTTPException(422, f"where has {len(text)} characters; it must be a JSON object of at most {FILTER}")
    try:
        columns = parse_json(text, "where")
        json.dumps(columns, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except ValueError as error:
        raise HTTPException(422, f"where is {text[:REPEATED]!r}; it must be a JSON object") from error
    if not isinstance(columns, dict):
        raise HTTPException(422, f"where is {text[:REPEATED]!r}; it must be a JSON object")
    kept = {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()}
    for name, value in kept.items():
        if any(isinstance(each, dict | list) for each in (value if isinstance(value, tuple) else (value,))):
            rule = "must be a text, a number, true, false, null or a list of them"
            raise HTTPException(422, f"where: {name[:REPEATED]!r} {rule}")
    return kept or None


def parse_threshold(text: str | None) -> float | str | None:
    """The smallest score of an accepted hit, or the name of a cut-point; None for an empty field."""
    if not text:
        return None
    try:
        least = float(text)
    except ValueError:
        return text
    return least if math.isfinite(least) else text

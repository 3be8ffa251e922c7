"""Pictures of a ``datasets.Dataset`` of Hugging Face, in memory or streamed, read by our own decoder."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from omlzoo.data.late_picture import LatePicture
from omlzoo.data.sources._items import items_of
from omlzoo.data.sources._opened import Item, Listed, Stream, unread
from omlzoo.errors import BadImage, BadInput

__all__ = ["hugging_face"]

LABEL = "label"


def hugging_face(source: object, root: Path) -> Listed | Stream | None:
    """The pictures of the first column of the type ``Image``; None for anything else than a dataset.

    Other plain columns stand in the table, classes by their names. A row's name is its number, and its file's name
    where it has one. Addresses in a dataset are not followed.

    Args:
        source: A ``Dataset`` or ``IterableDataset`` of the package ``datasets``.
        root: Where relative paths start.

    Raises:
        BadInput: There is no such column, or it is a dict of several datasets.
    """
    package = sys.modules.get("datasets")
    if package is None or not type(source).__module__.startswith("datasets."):
        return None
    if isinstance(source, dict):
        raise BadInput(f"it holds the datasets {', '.join(map(repr, source))}; give one, as dataset[...]")
    if not isinstance(source, package.Dataset | package.IterableDataset):
        return None
    features = source.features
    if features is None:  # a stream that does not know its columns
        return Stream(items_of(source, "the dataset", root), "the dataset")
    column = next((name for name, kind in features.items() if isinstance(kind, package.Image)), None)
    if column is None:
        shown = ", ".join(f"{name} ({type(kind).__name__})" for name, kind in features.items())
        raise BadInput(f"the dataset has no column of the type Image: {shown}; cast_column(NAME, Image()) makes one")
    raw = source.with_format(None).cast_column(column, package.Image(decode=False))
    classes = {name: kind.names for name, kind in features.items() if isinstance(kind, package.ClassLabel)}
    if isinstance(source, package.IterableDataset):
        items = _streamed(raw, column, classes, root)
        return Stream(items_of(items, "the dataset", root), "the dataset")
    return _listed(raw, column, classes, root, package)


def _listed(raw: Any, column: str, classes: dict[str, list[str]], root: Path, package: Any) -> Listed:
    plain = [name for name, kind in raw.features.items() if isinstance(kind, package.Value | package.ClassLabel)]
    frame = raw.select_columns([name for name in plain if name != "path"]).to_pandas()
    for name, names in classes.items():
        frame[name] = [names[code] if code >= 0 else "" for code in frame[name].fillna(-1).astype(int)]
    if not len(raw):
        raise BadInput("the dataset has no rows; give at least one picture")
    files = _files(raw, column)
    names = [_name(row, files[row] if files else None) for row in range(len(raw))]
    if "path" in frame:
        frame = frame.drop(columns="path")
    frame.insert(0, "path", names)
    pictures = [LatePicture(name, partial(_read, raw, row, column, name, root)) for row, name in enumerate(names)]
    return Listed(frame, pictures, "the dataset")


def _files(raw: Any, column: str) -> list[str | None]:
    """The name of each row's file, without its bytes; none where rows are a choice of others."""
    if raw._indices is not None:
        return []
    return [name for chunk in raw.data.column(column).chunks for name in chunk.field("path").to_pylist()]


def _streamed(raw: Any, column: str, classes: dict[str, list[str]], root: Path) -> Iterator[Item]:
    for row, value in enumerate(raw):
        name = _name(row, (value[column] or {}).get("path"))
        label = value.get(LABEL)
        if LABEL in classes and label is not None:
            label = classes[LABEL][label] if label >= 0 else ""
        try:
            yield Item(_picture(value[column], name, root), name, label)
        except BadImage as error:
            yield Item(unread(name, str(error).removeprefix(f"{name}: ")), name, label)


def _name(row: int, file: str | None) -> str:
    last = str(file or "").rpartition("/")[2]
    return f"{row}/{last}" if last else str(row)


def _read(raw: Any, row: int, column: str, name: str, root: Path) -> bytes | Path:
    return _picture(raw[row][column], name, root)


def _picture(value: Any, name: str, root: Path) -> bytes | Path:
    """The bytes of a row, or its file on this machine."""
    content, file = (value or {}).get("bytes"), (value or {}).get("path")
    if content is not None:
        return bytes(content)
    if not file:
        raise BadImage(f"{name}: the row has no picture")
    if "://" in file:
        raise BadImage(f"{name}: {file} is an address, and those that stand in a dataset are not followed")
    return root / str(file)

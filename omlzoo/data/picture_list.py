"""Pictures as callers give them: the table of their names, and what each is opened from."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from PIL import Image

from omlzoo import catalog
from omlzoo.data import table as tables
from omlzoo.data.addresses import Named, as_named, is_address, late_picture, parse_address
from omlzoo.data.containers import container_suffix, is_container
from omlzoo.data.formats import SUFFIXES, suffix_of
from omlzoo.data.late_picture import LatePicture, Picture
from omlzoo.data.sources._items import items_of
from omlzoo.data.sources._opened import Listed, Stream
from omlzoo.data.sources._pixels import check_pixels, is_array, pixels_of
from omlzoo.data.table import Table
from omlzoo.data.table_rules import Purpose
from omlzoo.data.table_source import read_container
from omlzoo.data.written_text import escaped
from omlzoo.errors import BadImage, BadInput

__all__ = ["Pictures", "Source", "Stream", "list_table", "open_source", "source_table"]

# A folder, a table, an archive or a file of pictures by its path; a DataFrame; a PIL image, bytes, an array or a
# tensor; a sequence or an iterator of such pictures; a dataset or loader of torch; a dataset of Hugging Face.
Source: TypeAlias = str | Path | pd.DataFrame | Image.Image | bytes | Iterable[Any] | Any
TABLES = (".csv", ".parquet")
SINGLE = (3,)  # dimensions of an array that is one picture


class Pictures(NamedTuple):
    """Pictures of known number.

    Attributes:
        table: A row for each.
        pictures: What each is opened from, where that is not the table's file.
    """

    table: Table
    pictures: Sequence[Picture] | None = None


def list_table(source: object, root: Path) -> Pictures:
    """The table of paths, PIL images, arrays and bytes, and the picture of each row.

    A path that is not UTF-8 stands in the table with escapes such as ``\\xff``; its picture is opened all the same.

    Args:
        source: The pictures, or one image, or the bytes of one.
        root: Where relative paths start.

    Raises:
        BadInput: There is none, or one is no picture.
    """
    items: object = [source] if isinstance(source, Image.Image | bytes | bytearray) else source
    if not isinstance(items, Iterable) or isinstance(items, Mapping):
        kind = "dict; give list(pictures.values())" if isinstance(items, Mapping) else type(source).__name__
        raise BadInput(f"pictures are a folder, a table, paths or PIL images, not {kind}")
    names: list[str] = []
    pictures: list[Picture] = []
    for number, item in enumerate(items):
        if isinstance(item, str | Path):
            names.append(escaped(str(item)))
            pictures.append(_at(item, root))
        else:
            names.append(f"image {number}")
            pictures.append(_in_memory(item, number))
    if not names:
        raise BadInput("there is no picture to embed; give at least one")
    return Pictures(Table(pd.DataFrame({"path": pd.Series(names, dtype="str")}), root, "the list"), pictures)


def _at(item: str | Path, root: Path) -> Picture:
    """The picture at a path, or at an address, which is followed since a user typed it."""
    if not is_address(item):
        return root / item
    return late_picture(str(item), [parse_address(str(item)).place])


def _in_memory(item: object, number: int) -> Picture:
    if isinstance(item, Image.Image | bytes):
        return item
    if isinstance(item, bytearray):
        return bytes(item)
    if is_array(item):
        check_pixels(item, f"picture {number}", SINGLE)
        return LatePicture(f"image {number}", partial(pixels_of, item))
    remedy = "give a path or a PIL image, an array, or a file's bytes"
    if isinstance(item, tuple):
        remedy = "give the pictures alone, or for pairs of a picture and a label a torch Dataset"
    elif hasattr(item, "read"):
        remedy = "give its bytes, file.read(), or its path"
    raise BadInput(f"picture {number} is of type {type(item).__name__}; {remedy}")


def open_source(
    source: Source, root: str | Path | None = None, purpose: Purpose = "embed", remote: Named = None
) -> Pictures | Stream:
    """The pictures of a source. This is the one way from what users give to pictures.

    Args:
        source: As :data:`Source` has it.
        root: Where relative paths start; by default the folder of a table, and the working folder of a list.
        purpose: What the pictures are for, which decides what a table must have.
        remote: Schemes and hosts of addresses in a table that are followed. An address that is the source itself, or
            stands in a list, is followed: a user typed it.

    Raises:
        BadTable: The table has faults.
        BadInput: There is no picture, or something is none.
    """
    if is_address(source):
        return _from_address(str(source), root, purpose, as_named(remote))
    if isinstance(source, str) and set(source) & set("*?") and not Path(source).exists():
        raise BadInput(f"{source}: no such file; patterns are not expanded: give a folder, or list(Path().glob(...))")
    if isinstance(source, str | Path) and Path(source).suffix.lower() in SUFFIXES and not Path(source).is_dir():
        source = [source]
    if isinstance(source, str | Path | pd.DataFrame):
        return Pictures(tables.read(source, purpose, root, remote))
    place = Path(root or ".")
    for opening in catalog.names("data.sources").values():
        opened = None if isinstance(opening, type) else opening(source, place)
        if isinstance(opened, Listed):
            table = Table(opened.frame, place, opened.name, opened.notices)
            return Pictures(table, opened.pictures)
        if opened is not None:
            stream: Stream = opened
            return stream
    if isinstance(source, Iterable) and not isinstance(source, Sized | Image.Image):
        return Stream(items_of(source, f"the {type(source).__name__}", place), "the iterator")
    listed = list(source) if isinstance(source, Sequence) and not isinstance(source, bytes) else []
    if listed and all(isinstance(item, str | Path) and is_container(place / item) for item in listed):
        return Pictures(_joined(listed, place, purpose))
    return list_table(source, place)


def _from_address(text: str, root: str | Path | None, purpose: Purpose, remote: tuple[str, ...]) -> Pictures:
    """The pictures of an address that a user typed: a picture, an archive or table, or a folder in a bucket."""
    address = parse_address(text)
    named = (address.place, *remote)
    suffix = suffix_of(address.name)
    if suffix in SUFFIXES:
        return list_table([text], Path(root or "."))
    if suffix in TABLES or container_suffix(address.name):
        try:
            path: Path = catalog.shared("data.remote", "fetch")(text, named, None)
        except BadImage as error:
            raise BadInput(str(error)) from error
        return Pictures(tables.read(path, purpose, root, named))
    found = catalog.shared("data.remote", "list_addresses")(text)
    names = [name for name in found if suffix_of(name) in SUFFIXES]
    if not names:
        raise BadInput(f"{text}: there is no picture below it; give a folder, a picture, an archive or a table")
    labels = [name.removeprefix(text.rstrip("/") + "/").split("/") for name in names]
    frame = pd.DataFrame({"path": names}, dtype="str")
    if any(len(parts) > 1 for parts in labels):
        frame["label"] = [parts[0] if len(parts) > 1 else "" for parts in labels]
    if purpose == "evaluate":
        frame = frame.assign(split="validation", is_query="true", is_gallery="true")
    return Pictures(tables.read(frame, purpose, root, named))


def _joined(paths: Sequence[str | Path], root: Path, purpose: Purpose) -> Table:
    """The table of several archives, such as the shards of a data set."""
    parts = [read_container(root / path, purpose) for path in paths]
    frames = [
        part.frame.assign(path=[str(Path(path).parent / name) for name in part.frame["path"]])
        for path, part in zip(paths, parts, strict=True)
    ]
    said = tuple(text for part in parts for text in part.notices)
    table = tables.read(pd.concat(frames, ignore_index=True), purpose, root)
    return Table(table.frame, table.root, "the archives", (*said, *table.notices))


def source_table(source: Source, root: str | Path | None = None, remote: Named = None) -> Pictures:
    """The table of a source of known number, and its pictures where they are not the table's files.

    Args:
        source: As in :func:`open_source`.
        root: Where relative paths start.
        remote: As there.

    Raises:
        BadTable: The table has faults.
        BadInput: There is no picture, something is none, or pictures come one after the other, once.
    """
    opened = open_source(source, root, remote=remote)
    if isinstance(opened, Stream):
        raise BadInput(f"{opened.name} gives each picture once; give a folder, a table, an archive or a list")
    return opened

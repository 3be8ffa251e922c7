"""Pictures as callers give them: the table of their names, and what each is opened from."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from omlzoo.data import table as tables
from omlzoo.data.formats import SUFFIXES
from omlzoo.data.table import Table
from omlzoo.data.written_text import escaped
from omlzoo.errors import BadInput

__all__ = ["Source", "list_table", "source_table"]

Source = str | Path | pd.DataFrame | Sequence[str | Path | Image.Image] | Image.Image


def list_table(source: object, root: Path) -> tuple[Table, list[Path | Image.Image]]:
    """The table of paths and PIL images, and the picture of each row.

    A path that is not UTF-8 stands in the table with escapes such as ``\\xff``; its picture is opened all the same.

    Args:
        source: The paths and images, or one image.
        root: Where relative paths start.

    Raises:
        BadInput: There is none, or one is neither a path nor a PIL image.
    """
    items: object = [source] if isinstance(source, Image.Image) else source
    if isinstance(items, bytes | bytearray) or not isinstance(items, Iterable):
        raise BadInput(f"pictures are a folder, a table, paths or PIL images, not {type(source).__name__}")
    names: list[str] = []
    pictures: list[Path | Image.Image] = []
    for number, item in enumerate(items):
        if isinstance(item, Image.Image):
            names.append(f"image {number}")
            pictures.append(item)
        elif isinstance(item, str | Path):
            names.append(escaped(str(item)))
            pictures.append(root / item)
        else:
            raise BadInput(f"picture {number} is of type {type(item).__name__}; give a path or a PIL image")
    if not names:
        raise BadInput("there is no picture to embed; give at least one")
    return Table(pd.DataFrame({"path": pd.Series(names, dtype="str")}), root, "the list"), pictures


def source_table(source: Source, root: str | Path | None = None) -> tuple[Table, Sequence[Path | Image.Image] | None]:
    """The table of a source, and its pictures where they are not the table's files.

    Args:
        source: A folder, a table (csv, parquet, DataFrame), a list of paths or PIL images, or one of these.
        root: Where relative paths start; by default the folder of a table, and the working folder of a list.

    Raises:
        BadTable: The table has faults.
        BadInput: There is no picture, or something is none.
    """
    if isinstance(source, str | Path) and Path(source).suffix.lower() in SUFFIXES and not Path(source).is_dir():
        source = [source]
    if isinstance(source, str | Path | pd.DataFrame):
        return tables.read(source, "embed", root), None
    return list_table(source, Path(root or "."))

"""Pictures that are given as a list: the table of their names, and what each is opened from."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from PIL import Image

from omlzoo.data.table import Table
from omlzoo.data.written_text import escaped
from omlzoo.errors import BadInput

__all__ = ["list_table"]


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

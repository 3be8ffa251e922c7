"""Pictures whose bytes stand in a column of a Parquet file, as the Hugging Face Hub has data sets."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from omlzoo.data.sources._container import Contents, check_size
from omlzoo.errors import BadImage, BadInput

__all__ = ["ParquetBytes"]

NAMED = ("image", "bytes", "image_bytes")  # columns of bytes that are pictures even beside a column "path"
BATCH = 32  # rows that are read at a time
KEPT = 8  # batches that stay in memory, for the threads that are a little behind
BUFFER = 1 << 20  # bytes that are read of the file at a time: a row group may be as large as the file
BOMB = 1000, 64_000_000  # times its size, and bytes, that the column may take once it is unpacked


class ParquetBytes:
    """A Parquet file with a column of bytes, or of structs with ``bytes`` and ``path``. Rows are best read in order.

    A row is called by its number from 0, followed by its file's name where the file has one: ``17/cat.jpg``.

    Args:
        path: The file.

    Raises:
        BadInput: It is damaged, claims more bytes than it can have, or has several columns of bytes.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, Lock()
        try:
            self.file = pq.ParquetFile(path, buffer_size=BUFFER)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{path}: cannot be read as Parquet: {error}") from error
        self.column = self._column()
        groups = [self.file.metadata.row_group(number).num_rows for number in range(self.file.num_row_groups)]
        self.starts = np.cumsum([0, *groups])
        self.window: OrderedDict[int, list[bytes | None]] = OrderedDict()
        self.batches: Iterator[Any] = iter(())
        self.following = -1  # the row at which the next batch begins; -1 before the first

    @staticmethod
    def takes(path: Path) -> bool:
        """Whether a column holds bytes: any where there is no column ``path``, else one that is called "image"."""
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError):
            return False
        found = _columns_of_bytes(schema)
        return bool(set(found) & set(NAMED)) or (bool(found) and "path" not in schema.names)

    def _column(self) -> str:
        found = _columns_of_bytes(self.file.schema_arrow)
        chosen = [name for name in NAMED if name in found] or found
        if len(chosen) > 1 and chosen[0] not in NAMED:
            raise BadInput(f"{self.path}: columns {', '.join(found)} hold bytes; call the pictures' one {NAMED[0]!r}")
        sizes = [self._sizes(number, chosen[0]) for number in range(self.file.num_row_groups)]
        if sum(sizes) > BOMB[1] + BOMB[0] * self.path.stat().st_size:
            raise BadInput(f"{self.path}: claims {sum(sizes):,} bytes of pictures, more than it can have")
        return chosen[0]

    def _sizes(self, group: int, column: str) -> int:
        facts = self.file.metadata.row_group(group)
        parts = (facts.column(number) for number in range(facts.num_columns))
        return sum(part.total_uncompressed_size for part in parts if part.path_in_schema.split(".")[0] == column)

    def contents(self) -> Contents:
        """A row for each row, with the other columns of the file; a class of the Hub's label is written by its name."""
        schema = self.file.schema_arrow
        others = [name for name in schema.names if name not in (self.column, "path")]
        frame = self.file.read(columns=others).to_pandas(ignore_metadata=True)
        names = self._names()
        frame.insert(0, "path", [f"{row}/{name}" if name else str(row) for row, name in enumerate(names)])
        said = [f"{self.path}: pictures are the bytes of the column {self.column!r}"] * (self.column not in NAMED)
        for column, classes in _classes(schema).items():
            if column in frame and frame[column].between(0, len(classes) - 1).all():
                frame[column] = [classes[code] for code in frame[column]]
        return Contents(frame, tuple(said), foldered=False)

    def _names(self) -> list[str]:
        """The last part of the name of each row's file; empty where it has none."""
        schema, count = self.file.schema_arrow, self.file.metadata.num_rows
        kind = schema.field(self.column).type
        if "path" in schema.names:
            column = self.file.read(columns=["path"]).column("path")
        elif pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
            column = self.file.read(columns=[f"{self.column}.path"]).column(self.column).combine_chunks().field("path")
        else:
            return [""] * count
        last = [str(name or "").rpartition("/")[2].strip() for name in column.to_pylist()]
        return ["" if name in (".", "..") else name for name in last]

    def read(self, name: str) -> bytes:
        """The bytes of a row.

        Raises:
            BadImage: There is no such row, it has no bytes, or the file is damaged there.
        """
        row = self._row(name)
        if row is None:
            raise BadImage(f"{self.path}/{name}: there is no such row; they are numbered to {self.starts[-1] - 1}")
        try:
            with self.lock:
                content = self._at(row)
        except (pa.ArrowException, OSError) as error:
            raise BadImage(f"{self.path}/{name}: {error}") from error
        if content is None:
            raise BadImage(f"{self.path}/{name}: the row has no bytes")
        check_size(f"{self.path}/{name}", len(content))
        return content

    def _row(self, name: str) -> int | None:
        number = name.partition("/")[0]
        return int(number) if number.isascii() and number.isdecimal() and int(number) < self.starts[-1] else None

    def _at(self, row: int) -> bytes | None:
        """The value of a row. Rows in order are read once; a step back, or far on, begins at its row group anew."""
        for start, values in reversed(self.window.items()):
            if start <= row < start + len(values):
                return values[row - start]
        group = int(np.searchsorted(self.starts, row, side="right")) - 1
        if not (self.starts[group] <= self.following <= row):
            groups = list(range(group, self.file.num_row_groups))
            kind = self.file.schema_arrow.field(self.column).type
            column = f"{self.column}.bytes" if pa.types.is_struct(kind) else self.column
            self.batches = self.file.iter_batches(BATCH, row_groups=groups, columns=[column])
            self.following = int(self.starts[group])
        while True:
            found = next(self.batches).column(0)
            found = found.field("bytes") if pa.types.is_struct(found.type) else found
            start, values = self.following, found.to_pylist()
            self.following += len(values)
            self.window[start] = values
            while len(self.window) > KEPT:
                self.window.popitem(last=False)
            if row < self.following:
                value: bytes | None = values[row - start]
                return value

    def size(self, name: str) -> int | None:
        """None where there is no such row. The number of bytes would be known only by reading them: it is left at 0."""
        return None if self._row(name) is None else 0


def _columns_of_bytes(schema: pa.Schema) -> list[str]:
    """The columns of bytes, and of structs with a field ``bytes``."""
    found = []
    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            found.append(field.name)
    return found


def _classes(schema: pa.Schema) -> dict[str, list[str]]:
    """The names of the classes of columns that the Hub's ``datasets`` wrote as numbers."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: list(facts["names"]) for name, facts in features.items() if facts.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}

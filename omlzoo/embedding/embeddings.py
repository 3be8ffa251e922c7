"""Embeddings: vectors, the row each belongs to, and the record of how they were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from omlzoo import catalog
from omlzoo.data.table import Table
from omlzoo.embedding.columns import ERROR, from_parts, split_names, table_from_arrow, table_to_arrow, to_arrow
from omlzoo.embedding.parquet import open_parquet, read_parts, read_table, write_parquet
from omlzoo.embedding.quantization import VECTOR, VectorFormat
from omlzoo.embedding.record import Record
from omlzoo.errors import BadInput

if TYPE_CHECKING:
    from omlzoo.models._extractor import Extractor

__all__ = [
    "ERROR",
    "Embeddings",
    "Record",
    "count_rows",
    "joined",
    "joined_tables",
    "read_embeddings",
    "read_metadata",
    "read_rows",
    "record_in",
    "rows_in",
    "write_embeddings",
    "write_rows",
]

KEY = b"omlzoo"  # of the file's metadata
PART = 1 << 18  # numbers of vectors that are read at a time
BOMB = 64_000_000, 1000  # bytes that the vectors of any file may take, and more for each byte of the file


@dataclass(frozen=True)
class Embeddings:
    """Vectors and their rows.

    Attributes:
        vectors: (N, dim) float32; NaN in the rows that failed.
        table: A row per vector, with the columns of the source, such as path and label, and "error", which is empty or
            says why the row has no vector.
        record: How the vectors were made.
        model: The extractor that made the vectors, if this process made them. It is not saved.
        stats: Seconds and counts of the run that made the vectors. They are not saved.
    """

    vectors: np.ndarray
    table: pd.DataFrame
    record: Record
    model: "Extractor | None" = field(default=None, repr=False, compare=False)
    stats: dict[str, float] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.table):
            raise BadInput(f"there are {len(self.vectors)} vectors and {len(self.table)} rows; one of each is needed")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} rows of {self.record.dim} numbers, model {self.record.model})"

    def _repr_html_(self) -> str:
        return str(catalog.shared("pages.notebook", "table_html")(self.pictures(), repr(self), self.table[ERROR]))

    @cached_property
    def good(self) -> np.ndarray:
        """(N,) bool: the rows that have a vector. Computed once: other errors are another ``Embeddings``."""
        has_vector = np.asarray(self.table[ERROR].array == "", dtype=bool)
        has_vector.setflags(write=False)
        return has_vector

    @staticmethod
    def without_errors(vectors: np.ndarray, table: pd.DataFrame, record: Record) -> "Embeddings":
        """Embeddings whose table has no error in any row, which is not looked up.

        Args:
            vectors: (N, dim) float32.
            table: N rows, with "error" empty in each.
            record: How the vectors were made.
        """
        found, good = Embeddings(vectors, table, record), np.ones(len(vectors), dtype=bool)
        good.setflags(write=False)
        found.__dict__["good"] = good
        return found

    def rows(self, keep: np.ndarray) -> "Embeddings":
        """The rows where ``keep`` (N,) bool is true."""
        return replace(self, vectors=self.vectors[keep], table=self.table[keep].reset_index(drop=True))

    def truncated(self, dim: int) -> "Embeddings":
        """The first ``dim`` numbers of each vector, normalised again where the vectors were.

        For models whose first numbers were trained to suffice (Matryoshka representations, arXiv 2205.13147); with
        others measure what is lost (docs/scale.md). Queries of an index of these are truncated likewise.

        Args:
            dim: The new dimension, from 1 to that of the vectors.

        Raises:
            BadInput: ``dim`` is out of that range.
        """
        if not 1 <= dim <= self.record.dim:
            raise BadInput(f"dim is {dim}; it must be from 1 to {self.record.dim}")
        record = replace(self.record, dim=dim, full_dim=self.record.full_dim or self.record.dim)
        return replace(self, vectors=record.conform(self.vectors), record=record)

    def pictures(self, name: str = "the embeddings") -> Table:
        """The rows as a table whose pictures can be opened.

        Args:
            name: The name of the table in messages.
        """
        return Table(self.table, Path(self.record.root), name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The vectors, so that numpy, scikit-learn and others take embeddings as they are."""
        return np.array(self.vectors, dtype=dtype, copy=copy) if copy else np.asarray(self.vectors, dtype=dtype)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table`` of what :meth:`save` writes: the table's columns, ``error``, ``vector``, and the record.

        Raises:
            BadInput: As :meth:`save`.
        """
        return _with_record(to_arrow(self.table, self.vectors, "float32"), self.record)

    def to_datasets(self) -> Any:
        """A ``datasets.Dataset`` of Hugging Face with the rows of :meth:`to_arrow`.

        Raises:
            MissingExtra: datasets is not installed.
            BadInput: As :meth:`save`.
        """
        datasets = catalog.optional("datasets", "datasets")
        return datasets.Dataset(datasets.table.InMemoryTable(self.to_arrow()))

    def save(self, path: str | Path, form: VectorFormat = "float32") -> None:
        """Write Parquet: the table's columns, ``error``, and ``vector``, a fixed-size list, null where it failed.

        Args:
            path: The file to write.
            form: "float32", "float16" for half of the size, or "int8" for a quarter. Both are read as float32 again.

        Raises:
            BadInput: There is no such form, a number is too large for it, a row without an error has a number that is
                not finite, or a column of the table has a name of ours.
        """
        write_embeddings(path, self, form)


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """The rows of all parts, with the record of the first; their tables as :func:`joined_tables` joins them."""
    table = joined_tables([part.table for part in parts])
    return replace(parts[0], vectors=np.concatenate([part.vectors for part in parts]), table=table)


def joined_tables(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all tables.

    A column of integers that some parts lack keeps its integers, with missing values; integers and fractions become
    fractions. Any other column whose types differ between the parts becomes text.
    """
    frames = list(frames)
    for name in dict.fromkeys(str(name) for frame in frames for name in frame.columns):
        kinds = [frame[name].dtype for frame in frames if name in frame]
        missing = len(kinds) < len(frames)
        if all(kind == kinds[0] for kind in kinds) and not (missing and pd.api.types.is_integer_dtype(kinds[0])):
            continue
        kind: Any = "str"
        if all(pd.api.types.is_integer_dtype(each) for each in kinds):
            kind = "Int64"
        elif all(pd.api.types.is_numeric_dtype(each) and not pd.api.types.is_bool_dtype(each) for each in kinds):
            kind = "Float64"
        frames = [frame.assign(**{name: frame[name].astype(kind)}) if name in frame else frame for frame in frames]
    return pd.concat(frames, ignore_index=True)


def write_embeddings(
    path: str | Path, embeddings: Embeddings, form: VectorFormat, ours: Mapping[str, np.ndarray] | None = None
) -> None:
    """Write what :meth:`Embeddings.save` writes.

    Args:
        path: The file.
        embeddings: N rows.
        form: Form of the vectors.
        ours: Further columns of ours, (N,) each, by names that begin with ``omlzoo:``.

    Raises:
        BadInput: As there.
    """
    table = to_arrow(embeddings.table, embeddings.vectors, form, ours)
    repeating = [name for name in table.column_names if name != VECTOR]  # numbers of vectors hardly ever repeat
    write_parquet(path, _with_record(table, embeddings.record), repeating)


def write_rows(path: str | Path, frame: pd.DataFrame, record: Record) -> None:
    """Write the table of embeddings and their record, without vectors.

    Args:
        path: The file.
        frame: The table, with "path" and "error".
        record: How the vectors were made.

    Raises:
        BadInput: As :meth:`Embeddings.save`.
    """
    write_parquet(path, _with_record(table_to_arrow(frame), record))


def read_rows(path: str | Path) -> tuple[pd.DataFrame, Record]:
    """The table and the record that :func:`write_rows` wrote.

    Raises:
        BadInput: There is no such file, it is none of ours, or it is damaged.
    """
    with open_parquet(path, whole=True) as parquet:
        record = record_in(parquet)
        return table_from_arrow(read_table(parquet)), record


def _with_record(table: Any, record: Record) -> Any:
    return table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: record.to_json().encode()})


def read_embeddings(path: str | Path) -> Embeddings:
    """Read what :meth:`Embeddings.save` wrote.

    Raises:
        BadInput: There is no such file, it is none of ours, or it is damaged.
    """
    with open_parquet(path, whole=True) as parquet:
        return rows_in(parquet, path)


def read_metadata(path: str | Path) -> Record:
    """The record in the metadata of an embeddings file, without reading vectors.

    Raises:
        BadInput: There is no such file, it is none of ours, or it is damaged.
    """
    with open_parquet(path) as parquet:
        return record_in(parquet)


def count_rows(path: str | Path) -> int:
    """Number of rows of an embeddings file, as its footer has it.

    Raises:
        BadInput: There is no such file, or it is damaged.
    """
    with open_parquet(path) as parquet:
        return int(parquet.metadata.num_rows)


def record_in(parquet: Any) -> Record:
    """The record of a file that ``open_parquet`` opened.

    Raises:
        BadInput: It has none, or a damaged one.
    """
    metadata = parquet.schema_arrow.metadata or {}
    if KEY not in metadata:
        raise BadInput("a Parquet file without our record; give one that `omlzoo embed` wrote")
    return Record.from_json(metadata[KEY])


def rows_in(parquet: Any, path: str | Path) -> Embeddings:
    """The embeddings of a file that ``open_parquet`` opened.

    Args:
        parquet: The open file.
        path: Its path, for messages.

    Raises:
        BadInput: The file is none of ours, or claims more vectors than it can have.
    """
    record, rows, size = record_in(parquet), parquet.metadata.num_rows, Path(path).stat().st_size
    if rows * record.dim * 4 > BOMB[0] + BOMB[1] * size:
        raise BadInput(f"{rows:,} rows of {record.dim:,} numbers in {size:,} bytes; such a file is none of ours")
    rest, ours = split_names(parquet.schema_arrow)
    parts = read_parts(parquet, ours, max(1, PART // record.dim))
    table, vectors = from_parts(read_table(parquet, rest), parts, record.dim, record.normalized, str(path))
    return Embeddings(vectors, table, record)

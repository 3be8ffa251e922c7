"""Embeddings: vectors, the row each belongs to, and the record of how they were made."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from omlzoo.data.preprocess import Preprocess
from omlzoo.data.table import Table
from omlzoo.embedding.quantization import VECTOR, VectorFormat, pack, unpack
from omlzoo.errors import BadInput
from omlzoo.files import new_file
from omlzoo.jsonio import parse_json
from omlzoo.models._extractor import Extractor
from omlzoo.ops.directions import directions

__all__ = ["ERROR", "Embeddings", "Record", "joined", "read_embeddings", "read_metadata"]

KEY = b"omlzoo"  # of the file's metadata
ERROR = "error"


@dataclass(frozen=True)
class Record:
    """How vectors were made; two sets can be compared where model, preprocessing and normalisation agree.

    Attributes:
        model: What ``omlzoo.get_model`` opens to get the same model again.
        sha256: The sha256 of the file of its weights. For weights that are in no file it is "state:" and the sha256 of
            their values.
        dim: Dimension of the vectors.
        preprocess: The evaluation preprocessing, as plain values.
        normalized: Whether the vectors have an L2 norm of 1.
        precision: The precision of the computation, "fp32" or "bf16".
        root: The folder that the table's relative paths start from.
        rows: The sha256 of the rows and of the sizes and times of change of their files, where the run was written to
            one file in parts. None elsewhere.
        full_dim: Dimension of the model's own vectors where these were truncated. None elsewhere.
        decoding: "exact", or "scaled" where large JPEGs were decoded at a smaller size.
    """

    model: str
    sha256: str
    dim: int
    preprocess: dict[str, Any]
    normalized: bool
    precision: str
    root: str
    rows: str | None = None
    full_dim: int | None = None
    decoding: str = "exact"

    @property
    def preprocess_hash(self) -> str:
        """sha256 of the preprocessing, 64 hex digits."""
        return hashlib.sha256(json.dumps(self.preprocess, sort_keys=True).encode()).hexdigest()

    def check_comparable(self, other: "Record") -> None:
        """Refuse vectors of another model, preprocessing or normalisation.

        Raises:
            BadInput: The model, the preprocessing, the normalisation or the dimension differs; the message names it.
        """
        for key in ("dim", "sha256", "preprocess_hash", "normalized"):
            ours, theirs = getattr(self, key), getattr(other, key)
            if ours != theirs:
                raise BadInput(
                    f"vectors of {other.model} cannot be searched among those of {self.model}: "
                    f"{key} is {theirs} there and {ours} here; embed both with the same model and settings"
                )

    def conform(self, vectors: np.ndarray) -> np.ndarray:
        """Cut the model's own vectors to the first ``dim`` numbers of this record, and normalise them again.

        Vectors of a record that was not truncated are returned as they are.

        Args:
            vectors: (N, D) float32, computed by the record's model.

        Returns:
            (N, dim) float32.
        """
        if self.full_dim is None:
            return vectors
        vectors = vectors[:, : self.dim]
        if self.normalized:
            vectors = directions(vectors)
        return np.ascontiguousarray(vectors)

    def to_json(self) -> str:
        """The record and the hash of its preprocessing as JSON."""
        return json.dumps({**asdict(self), "preprocess_hash": self.preprocess_hash}, sort_keys=True)

    @staticmethod
    def from_json(text: str | bytes) -> "Record":
        """The record that :meth:`to_json` wrote.

        Raises:
            BadInput: The text is not a record.
        """
        raw = parse_json(text, "the record of the embeddings")
        try:
            raw.pop("preprocess_hash")
            return Record(**raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"the record of the embeddings is damaged ({error}); embed again") from error

    def preprocessing(self) -> Preprocess:
        """The preprocessing as its own type."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in self.preprocess.items()
        }
        return Preprocess(**values)


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
    model: Extractor | None = field(default=None, repr=False, compare=False)
    stats: dict[str, float] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.table):
            raise BadInput(f"there are {len(self.vectors)} vectors and {len(self.table)} rows; one of each is needed")

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def good(self) -> np.ndarray:
        """(N,) bool: the rows that have a vector. Computed once: other errors are another ``Embeddings``."""
        has_vector = np.asarray(self.table[ERROR].array == "", dtype=bool)
        has_vector.setflags(write=False)
        return has_vector

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

    def save(self, path: str | Path, form: VectorFormat = "float32") -> None:
        """Write Parquet: the table's columns, ``error``, and ``vector``, a fixed-size list, null where it failed.

        Args:
            path: The file to write.
            form: "float32", "float16" for half of the size, or "int8" for a quarter. Both are read as float32 again.

        Raises:
            BadInput: There is no such form, or it cannot hold the numbers of a row.
        """
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        table = pack(table, self.vectors, self.good, form)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: self.record.to_json().encode()})
        repeating = [name for name in table.column_names if name != VECTOR]  # numbers of vectors hardly ever repeat
        with new_file(path) as temporary:
            pq.write_table(table, temporary, use_dictionary=repeating)


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """The rows of all parts, with the record of the first.

    A column of integers that some parts lack keeps its integers, with missing values; integers and fractions become
    fractions. Any other column whose types differ between the parts becomes text.
    """
    frames = [part.table for part in parts]
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
    table = pd.concat(frames, ignore_index=True)
    return replace(parts[0], vectors=np.concatenate([part.vectors for part in parts]), table=table)


def read_embeddings(path: str | Path) -> Embeddings:
    """Read what :meth:`Embeddings.save` wrote.

    Raises:
        BadInput: There is no such file, or it is none of ours.
    """
    record = read_metadata(path)
    table, vectors = unpack(pq.read_table(path), record.dim)
    if record.normalized:  # smaller forms round; searches rely on an L2 norm of 1
        vectors = directions(vectors, unless=1e-5)
    return Embeddings(vectors, table.to_pandas(), record)


def read_metadata(path: str | Path) -> Record:
    """The record in the metadata of an embeddings file, without reading vectors.

    Raises:
        BadInput: There is no such file, or it is none of ours.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path}: there is no such file; `omlzoo embed` writes one")
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); embed again") from error
    if KEY not in metadata:
        raise BadInput(f"{path}: a Parquet file without our record; give one that `omlzoo embed` wrote")
    return Record.from_json(metadata[KEY])

"""Parts of a long run, written as it goes on, so that an interrupted one continues where it was."""

import hashlib
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from omlzoo.embeddings import ERROR, Embeddings, Record, load_embeddings, read_metadata
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.table import Table

__all__ = ["Parts"]

SHARD = 2048  # rows of a part


class Parts:
    """Finished rows of a run in parts beside its file: a folder that is gone when the file is there."""

    def __init__(self, out: Path, record: Record, key: str, finished: Embeddings | None = None) -> None:
        self.out, self.record, self.key, self.finished = out, record, key, finished
        self.folder = out.with_name(f"{out.name}.parts")
        self.written = 0

    @staticmethod
    def open(out: Path, record: Record, table: Table) -> "Parts":
        try:
            pa.Table.from_pandas(table.frame, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:  # before hours of work, not after
            raise BadInput(
                f"{table.name}: a column cannot be written as Parquet: {error}; make its values alike"
            ) from error
        key = hashlib.sha256(record.to_json().encode())
        key.update(table.frame.to_csv().encode())
        for file in table.files():  # another picture under the same name is another row
            if file.is_file():
                key.update(f"{file.stat().st_size} {file.stat().st_mtime_ns};".encode())
        parts = Parts(out, replace(record, rows=key.hexdigest()), key.hexdigest())
        if out.is_dir():
            raise BadInput(f"{out} is a folder; give the name of a file")
        if out.exists():
            if read_metadata(out) != parts.record:
                raise BadInput(f"{out} exists and has other rows or settings; give another name, or remove it first")
            parts.finished = load_embeddings(out)
            return parts
        if parts.folder.exists() and not (parts.folder / parts.key).exists():
            warnings.warn(f"{parts.folder} is of a run with other rows or settings; it was removed", OmlzooWarning, 4)
            parts.remove()
        parts.folder.mkdir(parents=True, exist_ok=True)
        (parts.folder / parts.key).touch()
        return parts

    def restore(self, vectors: np.ndarray, errors: list[str]) -> int:
        """Fill in the rows of finished parts; returns how many there are."""
        for path in sorted(self.folder.glob("*.parquet")):
            part = load_embeddings(path)
            if int(path.stem) != self.written:
                break
            vectors[self.written : self.written + len(part)] = part.vectors
            errors[self.written : self.written + len(part)] = part.table[ERROR].tolist()
            self.written += len(part)
        return self.written

    def write(self, vectors: np.ndarray, errors: list[str], done: int, least: int | None = None) -> None:
        """Write the rows since the last part once there are ``least``, by default SHARD."""
        if done - self.written < (SHARD if least is None else least):
            return
        rows = slice(self.written, done)
        frame = pd.DataFrame({ERROR: pd.Series(errors[rows], dtype="str")})
        Embeddings(vectors[rows], frame, self.record).save(self.folder / f"{self.written:012d}.parquet")
        self.written = done

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

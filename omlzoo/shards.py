"""A folder of embeddings that grows a Parquet file at a time, whole after any kill.

``shards.json`` has the record and the form; ``00000000.parquet``, ``00000001.parquet`` and so on have rows, and
``removed-*.parquet`` say which rows were taken out. Every file appears whole or not at all and is never changed. A
picture is told by its path and box, and by its file's size and time of change: another picture under the same name is
another row, and of several rows of one picture the last counts.
"""

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from omlzoo.atomic import new_file
from omlzoo.embeddings import ERROR, Embeddings, Record, joined, read_embeddings, read_metadata
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.forms import Form, check_form
from omlzoo.table import Table

__all__ = ["ROWS", "Shards", "load_embeddings"]

ROWS = 2048  # of a shard
FACTS = "shards.json"
SIZE, CHANGED = "file_size", "file_changed_ns"  # columns of ours, beside those of the table
PICTURE = ["path", "x_1", "y_1", "x_2", "y_2"]


@dataclass
class Shards:
    """Embeddings in a folder.

    Attributes:
        folder: Where they are.
        record: How they were made.
        form: Of the vectors in the files.
    """

    folder: Path
    record: Record
    form: Form = "float32"

    @staticmethod
    def open(folder: str | Path, record: Record | None = None, form: Form = "float32") -> "Shards":
        """The shards of a folder, which is made if there is none and a record is given.

        Raises:
            BadInput: The folder has something else, or vectors of another model or other settings.
        """
        folder, facts = Path(folder), Path(folder) / FACTS
        check_form(form)
        if not facts.is_file():
            if record is None:
                raise BadInput(f"{folder}: has no {FACTS}; give a folder that `omlzoo embed` wrote")
            if folder.exists() and (not folder.is_dir() or any(not p.name.startswith(".") for p in folder.iterdir())):
                raise BadInput(
                    f"{folder} exists and holds something else; give another name, or one ending in .parquet"
                )
            folder.mkdir(parents=True, exist_ok=True)
            with new_file(facts) as temporary:
                temporary.write_text(json.dumps({"record": json.loads(record.to_json()), "form": form}, indent=2))
            return Shards(folder, record, form)
        try:
            settings = json.loads(facts.read_text(encoding="utf-8"))
            kept = Record.from_json(json.dumps(settings["record"]))
            check_form(settings["form"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{facts}: damaged ({error}); remove the folder and embed again") from error
        if record is not None and replace(record, root=kept.root, rows=kept.rows) != kept:
            theirs, ours = json.loads(kept.to_json()), json.loads(record.to_json())
            other = [key for key in theirs if key not in ("root", "rows") and theirs[key] != ours[key]]
            raise BadInput(f"{folder} has vectors of other settings ({', '.join(other)}); give another name")
        if record is not None and form != settings["form"]:
            raise BadInput(f"{folder} has vectors as {settings['form']}, not {form}; say so, or give another name")
        return Shards(folder, kept, settings["form"])

    @staticmethod
    def temporary(folder: Path, record: Record) -> "Shards":
        """Those of a run that ends in one file; shards of other settings are removed, and that is said."""
        try:
            return Shards.open(folder, record)
        except BadInput:
            if not (folder / FACTS).is_file():
                raise
            with Shards(folder, record).lock():  # not that of a run that is at work
                warnings.warn(f"{folder} is of a run with other settings; it was removed", OmlzooWarning, 4)
                shutil.rmtree(folder)
            return Shards.open(folder, record)

    def lock(self) -> FileLock:
        """Held while a run writes; the system lets go of it when the process ends.

        Raises:
            BadInput: Another process holds it.
        """
        held = FileLock(self.folder / ".lock")
        try:
            held.acquire(timeout=0)
        except Timeout as error:
            raise BadInput(f"{self.folder}: another process writes there; wait until it has ended") from error
        return held

    def files(self) -> list[Path]:
        """The Parquet files of rows, in the order they were written."""
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def missing(self, table: Table) -> np.ndarray:
        """Rows of a table (M,) whose picture is not here, or was another one."""
        here = self._newest()
        names, sizes = _pictures(table.frame, table.root), _sizes(table.files())
        wanted = zip(names, map(tuple, sizes.tolist()), strict=True)
        seen: set[str] = set()
        rows = []
        for row, (name, size) in enumerate(wanted):
            if name not in seen and here.get(name, (0, 0, None))[2] != size:
                rows.append(row)
            seen.add(name)
        return np.array(rows, dtype=np.int64)

    def refresh(self, table: Table) -> int:
        """Give rows whose picture is the same the values that the table has for them now; returns how many differed."""
        here = {name: where[:2] for name, where in self._newest().items()}
        kept: dict[str, tuple[str, ...]] = {}
        columns = [name for name in table.frame.columns if name not in PICTURE and table.frame[name].dtype != object]
        for path in self.files():
            frame = pq.read_table(path, columns=_there(path, ["path", *columns, *PICTURE[1:]])).to_pandas()
            names = _pictures(frame, Path(self.record.root))
            for row, (name, values) in enumerate(zip(names, _values(frame, columns), strict=True)):
                if here.get(name) == (int(path.stem), row):
                    kept[name] = values
        names = _pictures(table.frame, table.root)
        pairs = zip(names, _values(table.frame, columns), strict=True)
        seen: set[str] = set()
        other = []
        for row, (name, values) in enumerate(pairs):
            if name in kept and kept[name] != values and name not in seen:
                other.append(row)
            seen.add(name)
        for start in range(0, len(other), ROWS):
            part = Table(table.frame.iloc[other[start : start + ROWS]], table.root, table.name)
            vectors, errors = self.of(part)
            self.write(vectors, part, errors, self.sizes(part))
        return len(other)

    def write(
        self, vectors: np.ndarray, table: Table, errors: list[str], sizes: np.ndarray, number: int | None = None
    ) -> None:
        """Add rows as a file.

        Args:
            vectors: (M, dim) float32.
            table: M rows.
            errors: Empty, or why a row has no vector.
            sizes: (M, 2) of :meth:`sizes`, taken before the pictures were read.
            number: Of the file, which is replaced if it is there; the next by default.
        """
        frame = table.frame.assign(**{ERROR: pd.Series(errors, dtype="str", index=table.frame.index)})
        if str(table.root.resolve()) != self.record.root:
            frame["path"] = [os.path.abspath(file) for file in table.files()]
        frame[SIZE], frame[CHANGED] = sizes[:, 0], sizes[:, 1]
        number = self.following() if number is None else number
        Embeddings(vectors, frame, self.record).save(self.folder / f"{number:08d}.parquet", self.form)

    def following(self) -> int:
        """The number of the next file."""
        files = self.files()
        return int(files[-1].stem) + 1 if files else 0

    @staticmethod
    def sizes(table: Table) -> np.ndarray:
        """(N, 2) int64: the size and time of change of each row's file; -1 where there is none."""
        return _sizes(table.files())

    def remove(self, paths: list[str]) -> int:
        """Take out the rows of pictures, given as in the table or absolute; returns how many there were."""
        base = self.record.root
        wanted = {os.path.normpath(os.path.join(base, path)) for path in paths}
        return self._bury([where[:2] for name, where in self._newest().items() if name.split("\0")[0] in wanted])

    def prune(self, table: Table) -> int:
        """Take out the rows of pictures that are not in a table; returns how many there were."""
        kept = set(_pictures(table.frame, table.root))
        return self._bury([where[:2] for name, where in self._newest().items() if name not in kept])

    def delete(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _bury(self, gone: list[tuple[int, int]]) -> int:
        if gone:
            number = len(list(self.folder.glob("removed-*.parquet")))
            with new_file(self.folder / f"removed-{number:08d}.parquet") as temporary:
                pq.write_table(pa.table({"shard": [a for a, _ in gone], "row": [b for _, b in gone]}), temporary)
        return len(gone)

    def __len__(self) -> int:
        return len(self._newest())

    def __iter__(self) -> Iterator[Embeddings]:
        """The rows, a file at a time."""
        newest = {where[:2] for where in self._newest().values()}
        for path in self.files():
            shard = read_embeddings(path)
            keep = np.array([(int(path.stem), row) in newest for row in range(len(shard))], dtype=bool)
            rows = shard.rows(keep)
            yield replace(rows, table=rows.table.drop(columns=[SIZE, CHANGED]), record=self.record)

    def load(self) -> Embeddings:
        """All rows."""
        shards = list(self)
        if not shards:
            raise BadInput(f"{self.folder} has no rows yet; run `omlzoo embed` to its end")
        return joined(shards)

    def of(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Vectors (N, dim) and errors of the rows of a table, all of which are here."""
        place: dict[str, list[int]] = {}
        for row, name in enumerate(_pictures(table.frame, table.root)):
            place.setdefault(name, []).append(row)
        vectors = np.full((len(table), self.record.dim), np.nan, dtype=np.float32)
        errors = [""] * len(table)
        for shard in self:
            names = _pictures(shard.table, Path(self.record.root))
            for name, vector, error in zip(names, shard.vectors, shard.table[ERROR], strict=True):
                for row in place.get(name, ()):
                    vectors[row], errors[row] = vector, error
        return vectors, errors

    def _newest(self) -> dict[str, tuple[int, int, tuple[int, int]]]:
        """Of each picture its file, its row there, and its file's size and time of change."""
        found: dict[str, tuple[int, int, tuple[int, int]]] = {}
        removed = {
            pair
            for path in self.folder.glob("removed-*.parquet")
            for pair in zip(*(pq.read_table(path)[name].to_pylist() for name in ("shard", "row")), strict=True)
        }
        for path in self.files():
            if read_metadata(path) != self.record:
                raise BadInput(f"{path} has vectors of other settings than {FACTS} says; remove that file")
            frame = pq.read_table(path, columns=_there(path, [*PICTURE, SIZE, CHANGED])).to_pandas()
            names = _pictures(frame, Path(self.record.root))
            for row, (name, size, changed) in enumerate(zip(names, frame[SIZE], frame[CHANGED], strict=True)):
                found[name] = (int(path.stem), row, (int(size), int(changed)))
        return {name: where for name, where in found.items() if where[:2] not in removed}


def load_embeddings(path: str | Path) -> Embeddings:
    """Read the file that ``embed`` and ``Embeddings.save`` write, or all of the folder that ``embed_shards`` writes.

    Raises:
        BadInput: There is no such file, or it is none of ours.
    """
    return Shards.open(path).load() if Path(path).is_dir() else read_embeddings(path)


def _pictures(frame: pd.DataFrame, root: Path) -> list[str]:
    """What tells the picture of each row: its whole path, and its box if it has one."""
    base = str(root.resolve())
    names = [os.path.normpath(os.path.join(base, path)) for path in frame["path"]]
    if "x_1" not in frame:
        return names
    boxes = frame[PICTURE[1:]].astype("Float64").itertuples(index=False)
    return [name if pd.isna(box[0]) else f"{name}\0{tuple(box)}" for name, box in zip(names, boxes, strict=True)]


def _there(path: Path, columns: list[str]) -> list[str]:
    """Those of the columns that a file has."""
    known = set(pq.read_schema(path).names)
    return [name for name in dict.fromkeys(columns) if name in known]


def _values(frame: pd.DataFrame, columns: list[str]) -> list[tuple[str, ...]]:
    """The values of each row as text; a column that is not there has none."""
    texts = [frame[name].astype("string").fillna("") if name in frame else [""] * len(frame) for name in columns]
    return list(zip(*texts, strict=True)) if texts else [()] * len(frame)


def _sizes(files: list[Path]) -> np.ndarray:
    found = np.full((len(files), 2), -1, dtype=np.int64)
    for row, file in enumerate(files):
        try:
            stat = file.stat()
        except OSError:
            continue
        found[row] = stat.st_size, stat.st_mtime_ns
    return found

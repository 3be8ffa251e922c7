"""A folder of embeddings that grows a Parquet file at a time, whole after any kill.

``shards.json`` has the record and the form; ``00000000.parquet``, ``00000001.parquet`` and so on have rows, and
``removed-*.parquet`` say which rows were taken out. Every file appears whole or not at all and is never changed. A
picture is identified by its path and box, and by its file's size and time of change: another picture under the same
name is another row, and of several rows of one picture the last counts.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from omlzoo.data.addresses import is_address
from omlzoo.data.containers import file_stamp
from omlzoo.data.table import Table
from omlzoo.embedding import shard_files
from omlzoo.embedding.columns import ERROR, error_column
from omlzoo.embedding.embeddings import Embeddings, joined, read_embeddings, write_embeddings
from omlzoo.embedding.latest_rows import BLOCK, BOX, KEY, LatestRows, keys_of, last_rows, whole_paths
from omlzoo.embedding.quantization import VectorFormat, check_form
from omlzoo.embedding.record import Record
from omlzoo.embedding.shard_files import CHANGED, SIZE, number_of, read_columns, texts_of
from omlzoo.embedding.shard_settings import FACTS, Settings, remove_folder
from omlzoo.errors import BadInput, notice
from omlzoo.files import writing

__all__ = ["ROWS", "Shards", "load_embeddings"]

ROWS = 2048  # of a shard
MOST = 10**8  # files of a folder
PICTURE = ["path", *BOX]


@dataclass
class Shards:
    """Embeddings in a folder.

    Attributes:
        folder: The folder of the files.
        record: How the vectors were made.
        form: Form of the vectors in the files: "float32", "float16" or "int8".
        within: Name of the folder in it that has the files, where rows were replaced; "" where they stand in it itself.
    """

    folder: Path
    record: Record
    form: VectorFormat = "float32"
    within: str = ""

    @staticmethod
    def open(folder: str | Path, record: Record | None = None, form: VectorFormat = "float32") -> "Shards":
        """The shards of a folder, which is made if there is none and a record is passed.

        Args:
            folder: The folder.
            record: How the vectors to be added are made; it must agree with that of the folder. None, the default,
                opens a folder that exists, whatever its settings are.
            form: Form of the vectors in the files; it must agree with that of the folder where a record is passed.

        Raises:
            BadInput: The folder has something else, or vectors of another model or other settings.
        """
        folder = Path(folder)
        check_form(form)
        if not (folder / FACTS).is_file():
            if record is None:
                raise BadInput(f"{folder}: has no {FACTS}; give a folder that `omlzoo embed` wrote")
            if folder.exists() and (not folder.is_dir() or any(not p.name.startswith(".") for p in folder.iterdir())):
                raise BadInput(
                    f"{folder} exists and holds something else; give another name, or one ending in .parquet"
                )
            folder.mkdir(parents=True, exist_ok=True)
            Settings(record, form).write(folder)
            return Shards(folder, record, form)
        kept = Settings.read(folder)
        if record is not None:
            _check_same(folder, kept, Settings(record, form))
        return Shards(folder, kept.record, kept.form, kept.within)

    @staticmethod
    def temporary(folder: Path, record: Record, form: VectorFormat = "float32") -> "Shards":
        """The shards of a run that ends in one file. Shards of other settings are removed, with a notice.

        Args:
            folder: The folder, which is made if there is none.
            record: How the vectors are made.
            form: Form of the vectors in the files.

        Raises:
            BadInput: The folder holds something else, or another process writes there.
        """
        try:
            shards = Shards.open(folder, record, form)
            if shards.record.decoder != record.decoder:
                raise BadInput(f"{folder} is of another decoder")
            return shards
        except BadInput:
            if not (folder / FACTS).is_file():
                raise
            with Shards(folder, record).lock():  # not that of a run that is at work
                notice(f"{folder} is of a run with other settings; it was removed")
                remove_folder(folder)
            return Shards.open(folder, record, form)

    def lock(self) -> AbstractContextManager[None]:
        """A lock that a run holds while it writes; entering it raises BadInput where another process holds it."""
        return writing(self.folder)

    @property
    def place(self) -> Path:
        """The folder of the files of rows."""
        return self.folder / self.within

    def files(self) -> list[Path]:
        """The Parquet files of rows, in the order they were written."""
        return shard_files.row_files(self.place)

    def missing(self, table: Table) -> np.ndarray:
        """Rows of a table (M,) whose picture is not here, or was another one.

        Raises:
            BadInput: A file of the folder is damaged, or the table's folder has a name that cannot be written.
        """
        root = str(table.root.resolve())
        if root != self.record.root and root != root.encode("utf-8", "replace").decode():
            raise BadInput(f"{root!r} is a name that is not UTF-8; rename the folder")
        keys = keys_of(table.frame, table.root)
        counts = np.zeros(len(keys), dtype=bool)
        counts[last_rows(keys)[1]] = True
        return np.flatnonzero(counts & ~self._newest().has(keys, self.sizes(table)))

    def refresh(self, table: Table) -> int:
        """Give rows whose picture is the same the values that the table has for them now; returns how many differed."""
        newest = self._newest()
        keys, last = last_rows(keys_of(table.frame, table.root))
        given = table.frame.rename(columns=str)
        columns = [name for name in given.columns if name not in PICTURE and given[name].dtype != object]
        other = [np.empty(0, dtype=np.int64)]
        for path in self.files() if columns and len(keys) else []:
            at = newest.of_file(number_of(path))
            positions = np.searchsorted(keys, newest.keys[at]).clip(max=len(keys) - 1)
            here = keys[positions] == newest.keys[at]
            frame = read_columns(path, self.record, ["path", *columns]).rename(columns=str)
            ours, theirs = frame.iloc[newest.rows[at[here]]], last[positions[here]]
            pairs = zip(texts_of(ours, columns), texts_of(given.iloc[theirs], columns), strict=True)
            other.append(theirs[np.array([mine != yours for mine, yours in pairs], dtype=bool)])
        rows = np.sort(np.concatenate(other))
        for start in range(0, len(rows), ROWS):
            part = table.part(rows[start : start + ROWS])
            vectors, errors = self.of(part)
            self.write(vectors, part, errors, self.sizes(part))
        return len(rows)

    def write(
        self, vectors: np.ndarray, table: Table, errors: list[str], sizes: np.ndarray, number: int | None = None
    ) -> None:
        """Add rows as a file.

        Args:
            vectors: (M, dim) float32.
            table: M rows.
            errors: M texts, empty or why the row has no vector.
            sizes: (M, 2) result of :meth:`sizes`, taken before the pictures were read.
            number: Number of the file, which is replaced if it exists; the next by default.
        """
        frame = table.frame.assign(**{ERROR: error_column(errors, table.frame.index)})
        if str(table.root.resolve()) != self.record.root:
            frame["path"] = [
                path if is_address(path) else os.path.abspath(table.root / path) for path in table.frame["path"]
            ]
        number = self.following() if number is None else number
        rows = Embeddings(vectors, frame, self.record)
        ours = {SIZE: sizes[:, 0], CHANGED: sizes[:, 1]}
        write_embeddings(self.place / f"{number:08d}.parquet", rows, self.form, ours)

    def following(self) -> int:
        """The number of the next file.

        Raises:
            BadInput: There is no further number.
        """
        number = max((number_of(path) for path in self.files()[-1:]), default=-1) + 1
        if number >= MOST:
            raise BadInput(f"{self.folder} has a file {MOST - 1}.parquet, the last that there can be; remove that file")
        return number

    @staticmethod
    def sizes(table: Table) -> np.ndarray:
        """(N, 2) int64: the size and time of change of each row's file; -1 where there is none."""
        sizes = np.full((len(table), 2), -1, dtype=np.int64)
        for start in range(0, len(table), BLOCK):
            for row, path in enumerate(table.frame["path"].iloc[start : start + BLOCK].tolist(), start):
                sizes[row] = file_stamp(os.path.join(table.root, path))
        return sizes

    def remove(self, paths: list[str]) -> int:
        """Take out the rows of pictures by their paths, as in the table or absolute; returns how many there were."""
        newest, root = self._newest(), Path(self.record.root)
        unwanted = set(whole_paths(paths, root))
        gone = [np.empty(0, dtype=np.int64)]
        for path in self.files():
            at = newest.of_file(number_of(path))
            names = whole_paths(read_columns(path, self.record, ["path"])["path"], root)
            gone.append(at[np.array([names[row] in unwanted for row in newest.rows[at]], dtype=bool)])
        return self._bury(newest, np.concatenate(gone))

    def prune(self, table: Table) -> int:
        """Take out the rows of pictures that are not in a table; returns how many there were."""
        newest = self._newest()
        return self._bury(newest, np.flatnonzero(~np.isin(newest.keys, keys_of(table.frame, table.root))))

    def delete(self) -> None:
        """Remove the folder."""
        remove_folder(self.folder)

    def _bury(self, newest: LatestRows, gone: np.ndarray) -> int:
        if len(gone):
            shard_files.write_removed(self.place, newest.files[gone], newest.rows[gone])
        return len(gone)

    def __len__(self) -> int:
        return len(self._newest())

    def __iter__(self) -> Iterator[Embeddings]:
        """The rows, a file at a time."""
        for _, shard in self._shards():
            yield shard

    def _shards(self) -> Iterator[tuple[np.ndarray, Embeddings]]:
        """Keys and rows of each file."""
        newest = self._newest()
        for path in self.files():
            at, shard = newest.of_file(number_of(path)), shard_files.read_rows(path)
            keep = np.zeros(len(shard), dtype=bool)
            keep[newest.rows[at]] = True
            rows = shard.rows(keep)
            yield newest.keys[at], replace(rows, record=self.record)

    def load(self) -> Embeddings:
        """All rows; raises BadInput where there are none yet."""
        shards = list(self)
        if not shards:
            raise BadInput(f"{self.folder} has no rows yet; run `omlzoo embed` to its end")
        return joined(shards)

    def of(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Vectors (N, dim) and errors of the rows of a table, all of which are here."""
        keys = keys_of(table.frame, table.root)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        vectors = np.full((len(table), self.record.dim), np.nan, dtype=np.float32)
        errors = [""] * len(table)
        for there, shard in self._shards():
            first, end = np.searchsorted(keys, there), np.searchsorted(keys, there, side="right")
            why = shard.table[ERROR].tolist()
            for row in np.flatnonzero(first < end):
                for position in order[first[row] : end[row]]:
                    vectors[position], errors[position] = shard.vectors[row], why[row]
        return vectors, errors

    def _newest(self) -> LatestRows:
        """Of each picture its newest row, and its file's size and time of change then."""
        none = np.empty(0, dtype=np.int64)
        keys, files, rows, sizes = [none.astype(KEY)], [none], [none], [none.reshape(0, 2)]
        for path in self.files():
            frame = read_columns(path, self.record, [*PICTURE, SIZE, CHANGED])
            if not {"path", SIZE, CHANGED} <= set(frame.columns):
                raise BadInput(f"{path}: lacks columns of a folder's file; remove that file")
            keys.append(keys_of(frame, Path(self.record.root)))
            files.append(np.full(len(frame), number_of(path)))
            rows.append(np.arange(len(frame)))
            sizes.append(frame[[SIZE, CHANGED]].to_numpy(dtype=np.int64))
        whole = [np.concatenate(parts) for parts in (keys, files, rows, sizes)]
        return LatestRows.of(whole[0], whole[1], whole[2], whole[3], shard_files.removed_rows(self.place))


def _check_same(folder: Path, kept: Settings, asked: Settings) -> None:
    """Refuse vectors that are made in another way than those of a folder."""
    ours = replace(asked.record, root=kept.record.root, rows=kept.record.rows, decoder=kept.record.decoder)
    remedy = "give another name, or overwrite (--overwrite) to replace them"
    if ours != kept.record:
        other = [item.name for item in fields(Record) if getattr(ours, item.name) != getattr(kept.record, item.name)]
        raise BadInput(f"{folder} has vectors of other settings ({', '.join(other)}); {remedy}")
    if asked.form != kept.form:
        raise BadInput(f"{folder} has vectors as {kept.form}, not {asked.form}; say so, {remedy}")


def load_embeddings(path: str | Path) -> Embeddings:
    """Read the file that ``embed`` and ``Embeddings.save`` write, or all of the folder that ``embed_shards`` writes.

    Raises:
        BadInput: There is no such file, or it is none of ours.
    """
    return Shards.open(path).load() if Path(path).is_dir() else read_embeddings(path)

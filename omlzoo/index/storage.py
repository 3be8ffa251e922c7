"""The folder of an index: facts, vectors and what the backend keeps, replaced together and bound to each other."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.embedding.embeddings import ERROR, Embeddings, Record, read_rows, write_rows
from omlzoo.embedding.parquet import open_parquet, read_table
from omlzoo.embedding.shards import load_embeddings
from omlzoo.errors import BadInput, OmlzooError, notice
from omlzoo.files import file_digest, new_files, settle, settled
from omlzoo.index.addresses import kept_options
from omlzoo.index.rows import REMOVED, Rows
from omlzoo.index.vector_file import pages_digest, read_vectors, write_vectors
from omlzoo.jsonio import build, made_with, read_json

__all__ = ["OWNED", "Facts", "Recall", "check_replaceable", "generation_of", "is_index", "read_index", "write_index"]

FACTS, TABLE, VECTORS = "index.json", "rows.parquet", "vectors.npy"
TOGETHER = "embeddings.parquet"  # rows and vectors, as format 1 has them
FORMAT = 2
OWNED = (FACTS, TABLE, VECTORS, TOGETHER, "backend.faiss", "backend.npz", "backend.json")
TRIES, WAIT = 200, 0.05  # of a reader while others save, and seconds between two
MAGIC = 8  # bytes at the end of a Parquet file: the length of its footer, and a mark


@dataclass(frozen=True)
class Recall:
    """The share ``value`` of the ``k`` nearest rows that an index finds, of rows drawn from it as ``queries``."""

    k: int
    queries: int
    value: float


@dataclass(frozen=True)
class Facts:
    """What ``index.json`` says.

    Attributes:
        backend: A name of omlzoo.index.
        options: Options of the backend, without secrets.
        similarity: "cosine" or "euclidean".
        recall: The recall of an approximate backend, if it was measured.
        calibration: The calibration of the distances, if there is one.
        record: How the vectors were made; that of the vectors' own file.
        generation: Drawn at each saving, by which a later one knows whether the folder is still the same; None of
            folders that earlier versions wrote.
        files: Digest of each other file of the folder; None likewise.
        format: 1 where rows and vectors are in one file, which is what folders without this say; 2 where they are in
            two, of which that of the vectors is mapped.
        made_with: Versions of omlzoo and of what it computes with; empty of folders that earlier versions wrote.
    """

    backend: str
    options: dict[str, Any]
    similarity: Literal["cosine", "euclidean"]
    recall: Recall | None
    calibration: Calibration | None
    record: dict[str, Any]
    generation: str | None
    files: dict[str, str] | None
    format: int = 1
    made_with: dict[str, str] = field(default_factory=dict)


def write_index(
    folder: Path,
    rows: Rows,
    backend: str,
    options: Mapping[str, Any],
    recall: Recall | None,
    calibration: Calibration | None,
) -> str:
    """Replace the files of an index, all of them or none; returns the generation. Hold the folder's lock around it.

    Args:
        folder: The folder; it is made if it does not exist.
        rows: The rows and their backend.
        backend: Name of the backend.
        options: Options of the backend.
        recall: The recall that was measured.
        calibration: The calibration.
    """
    generation = secrets.token_hex(16)
    with new_files(folder, FACTS) as temporary:
        table, record = rows.embeddings.table, rows.embeddings.record
        write_rows(temporary / TABLE, table, record)
        removed = np.asarray(table[ERROR].array == REMOVED, dtype=bool)
        write_vectors(temporary / VECTORS, rows.embeddings.vectors, rows.good, removed)
        rows.searcher.save(temporary)
        written = sorted(temporary.iterdir())
        facts_of = json.loads(record.to_json())
        files = {path.name: _digest(path) for path in written}
        facts = Facts(
            backend,
            kept_options(options),
            rows.similarity,
            recall,
            calibration,
            facts_of,
            generation,
            files,
            FORMAT,
            made_with(),
        )
        (temporary / FACTS).write_text(json.dumps(asdict(facts), indent=2) + "\n", encoding="utf-8")
    for name in set(OWNED) - {path.name for path in written} - {FACTS}:
        (folder / name).unlink(missing_ok=True)  # of another backend
    return generation


def check_replaceable(folder: Path, embeddings: Embeddings, overwrite: bool) -> None:
    """Say what a saving will replace, and refuse to replace what the new index does not have.

    Args:
        folder: The folder, which may hold an index.
        embeddings: The rows of the new index.
        overwrite: Whether an index of another model or of other pictures may be replaced.

    Raises:
        BadInput: It holds one, and ``overwrite`` is False.
    """
    settle(folder, FACTS)
    if not (folder / FACTS).is_file():
        return
    try:
        facts = _facts(folder / FACTS)
        theirs = Record.from_json(json.dumps(facts.record))
        with open_parquet(folder / (TOGETHER if facts.format == 1 else TABLE)) as parquet:
            table = read_table(parquet, ["path", ERROR]).to_pandas()
    except OmlzooError as error:
        notice(f"{folder} holds a damaged index ({error}), which is replaced")
        return
    ours, paths = embeddings.record, table["path"][table[ERROR] == ""]
    here = {Path(ours.root, path) for path in embeddings.table["path"]}
    lost = [path for path in paths if Path(theirs.root, path) not in here]
    what = f"{folder} holds an index of {len(paths):,} pictures by {theirs.model}"
    other = [key for key in ("model", "sha256", "preprocess_hash", "dim") if getattr(ours, key) != getattr(theirs, key)]
    reason = ""
    if set(other) - {"model"}:
        reason = f"this one is by {ours.model}, with another {other[-1] if other != ['model'] else 'model'}"
    elif lost:
        reason = f"this one of {len(embeddings):,} lacks {len(lost):,} of them, such as {lost[0]!r}"
    if reason and not overwrite:
        raise BadInput(f"{what}, and {reason}; give another name, or overwrite (--overwrite) to replace it")
    notice(f"{what}, which is replaced{f': {reason}' if reason else ''}")


def generation_of(folder: Path) -> str | None:
    """The generation of the index in a folder; None where there is no index, or one without a generation."""
    settle(folder, FACTS)
    facts = folder / FACTS
    return _facts(facts).generation if facts.is_file() else None


def is_index(folder: Path) -> bool:
    """Whether a folder holds an index, or one whose writing was interrupted."""
    return settled(folder, FACTS, FACTS).is_file()


def read_index(folder: Path) -> tuple[Embeddings, Facts]:
    """The rows and facts of a folder, of one saving, whatever others save meanwhile.

    Raises:
        BadInput: The folder is none of ours or damaged, or its files are of several indexes.
    """
    for _ in range(TRIES):
        if not settle(folder, FACTS):  # another process is at it
            time.sleep(WAIT)
            continue
        if not (folder / FACTS).is_file():
            raise BadInput(f"{folder}: has no {FACTS}; give a folder that `omlzoo index` or Index.save wrote")
        before = _facts(folder / FACTS)
        try:
            embeddings = _read(folder, before)
        except (BadInput, OSError):
            if settle(folder, FACTS) and generation_of(folder) == before.generation:
                raise
        else:
            if generation_of(folder) == before.generation:
                return embeddings, before
    raise BadInput(f"{folder} is being saved, or a saving was killed where this process may not write; open it again, "
                   "or once by a process that may write there")  # fmt: skip


def _read(folder: Path, facts: Facts) -> Embeddings:
    record = Record.from_json(json.dumps(facts.record))
    for name, digest in (facts.files or {}).items():
        if name not in OWNED:
            raise BadInput(f"{folder / FACTS}: files has {name!r}, which no index has; build the index again")
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise BadInput(f"{folder}: {name} is damaged or of another index; build the index again")
    if facts.format == 1:
        embeddings = load_embeddings(folder / TOGETHER)
    else:
        if facts.files is None or not {TABLE, VECTORS} <= set(facts.files):
            raise BadInput(f"{folder / FACTS}: files lacks {TABLE} or {VECTORS}; build the index again")
        table, theirs = read_rows(folder / TABLE)
        embeddings = Embeddings(read_vectors(folder / VECTORS, len(table), theirs.dim), table, theirs)
    if record != embeddings.record:
        raise BadInput(f"{folder}: {FACTS} and its rows are of different runs; build the index again")
    if (facts.similarity == "cosine") != record.normalized:
        raise BadInput(f"{folder}: {FACTS} says {facts.similarity}, its record otherwise; build the index again")
    return embeddings


def _facts(path: Path) -> Facts:
    raw = read_json(path)
    if isinstance(raw, dict):
        for name in ("generation", "files"):
            raw.setdefault(name, None)
        raw.setdefault("format", 1)
        raw.setdefault("made_with", {})
    facts = build(Facts, raw, str(path))
    if not 1 <= facts.format <= FORMAT:
        raise BadInput(f"{path}: is of format {facts.format}, this version reads 1 to {FORMAT}; install a newer omlzoo")
    if not all(isinstance(value, str) for value in (facts.files or {}).values()):
        raise BadInput(f"{path}: files are {facts.files}; each needs its digest")
    return facts


def _digest(path: Path) -> str:
    """The sha256 of a file; of vectors that of sums, as they are many; of Parquet, whose pages have sums of their own,
    that of the footer, which says where they are and between what their numbers lie."""
    if path.suffix == ".npy":
        return pages_digest(path)
    if path.suffix != ".parquet":
        return file_digest(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MAGIC))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - MAGIC - length))
        return "footer:" + hashlib.sha256(size.to_bytes(8, "little") + file.read()).hexdigest()

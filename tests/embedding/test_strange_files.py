"""Strangers' embeddings, changed at random: only our errors, in bounded time and memory, and nothing is written."""

import json
import os
import random
import resource
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toys import PREPROCESS

from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.record import Record
from omlzoo.embedding.shards import Shards, load_embeddings
from omlzoo.errors import OmlzooError, OmlzooWarning

SECONDS, MEGABYTES = 5, 500
RECORD = Record("m", "0" * 64, 8, json.loads(json.dumps(asdict(PREPROCESS))), True, "fp32", "/x")
JUNK: list[Any] = [None, True, -1, 0, 10**30, 1e300, "", "x", "\0", [], [[]], {}, {"a": {}}, "9" * 5000]
COLUMNS: list[Callable[[int], pa.Array]] = [
    lambda rows: pa.array([None] * rows),
    lambda rows: pa.array([1] * rows),
    lambda rows: pa.array(["x"] * rows),
    lambda rows: pa.array([[1.0] * (row % 3) for row in range(rows)]),
    lambda rows: pa.array([[float("nan")] * 8] * rows, pa.list_(pa.float32(), 8)),
    lambda rows: pa.array([{"a": 1}] * rows),
    lambda rows: pa.array([b"\xff"] * rows),
    lambda rows: pa.array(["x"] * rows).dictionary_encode(),
]
Change = Callable[[random.Random, bytes], bytes]


def rows(count: int = 60) -> Embeddings:
    vectors = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[3] = np.nan
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(count)], "label": [f"l{i % 7}" for i in range(count)]})
    return Embeddings(vectors, table.assign(error=["broken" if i == 3 else "" for i in range(count)]), RECORD)


def bytes_changed(draw: random.Random, content: bytes) -> bytes:
    """Other, missing and further bytes."""
    changed, kind = bytearray(content), draw.random()
    if kind < 0.1:
        return content[: draw.randrange(len(content))]
    if kind < 0.2:
        at = draw.randrange(len(content))
        changed[at:at] = draw.randbytes(draw.randint(1, 9))
    for _ in range(draw.randint(1, 4)):
        end = draw.random() < 0.4  # where the footer is
        changed[-draw.randint(1, min(3000, len(changed))) if end else draw.randrange(len(changed))] = draw.randrange(
            256
        )
    return bytes(changed)


def parts_changed(draw: random.Random, content: bytes) -> bytes:
    """Another value in the record, another or no column: a whole file that another program could have written."""
    table = pq.read_table(pa.BufferReader(content))
    metadata = dict(table.schema.metadata)
    if draw.random() < 0.5:
        record = json.loads(metadata[b"omlzoo"])
        place = record if draw.random() < 0.6 else record["preprocess"]
        place[draw.choice(sorted(place))] = draw.choice(JUNK)
        metadata[draw.choice([b"omlzoo", b"omlzoo", b"pandas"])] = json.dumps(record).encode()
    else:
        name = draw.choice(table.column_names)
        at = table.column_names.index(name)
        table = (
            table.drop_columns([name])
            if draw.random() < 0.2
            else table.set_column(at, name, draw.choice(COLUMNS)(len(table)))
        )
    out = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), out)
    return out.getvalue().to_pybytes()


def snapshot(folder: Path) -> dict[str, bytes | str]:
    return {str(path): path.read_bytes() if path.is_file() else "other" for path in sorted(folder.rglob("*"))}


def opened(place: Path) -> Embeddings | None:
    """The embeddings, or None where they are refused in one line."""
    before, begun = snapshot(place.parent), time.perf_counter()
    said = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OmlzooWarning)
            found = load_embeddings(place)
        good = found.vectors[found.good]
        assert np.isfinite(good).all()
        assert np.isnan(found.vectors[~found.good]).all()
        assert found.vectors.shape == (len(found.table), found.record.dim)
    except OmlzooError as error:
        found, said = None, str(error)
    assert "\n" not in said
    assert time.perf_counter() - begun < SECONDS
    assert snapshot(place.parent) == before
    return found


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


many = pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])


@many
@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_files_of_ours_are_the_same_or_refused(form: Any, count: int, tmp_path: Path) -> None:
    path, draw, most = tmp_path / "e.parquet", random.Random(count), memory()
    rows().save(path, form)
    content, wanted = path.read_bytes(), load_embeddings(path)
    for _ in range(count):
        path.write_bytes(bytes_changed(draw, content))
        found = opened(path)
        if found is not None:
            assert np.array_equal(found.vectors, wanted.vectors, equal_nan=True)
            assert found.table.equals(wanted.table)
            assert found.record == wanted.record
    assert memory() - most < MEGABYTES


@many
@pytest.mark.parametrize("change", [bytes_changed, parts_changed])
@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_files_that_another_program_wrote(form: Any, change: Change, count: int, tmp_path: Path) -> None:
    path, draw, most = tmp_path / "e.parquet", random.Random(count), memory()
    rows().save(path, form)
    pq.write_table(pq.read_table(path), path)  # without our checksums
    content = path.read_bytes()
    outcomes = []
    for _ in range(count):
        path.write_bytes(change(draw, content))
        outcomes.append(opened(path) is None)
    assert 0 < sum(outcomes) < count, "some are refused and some are not"
    assert memory() - most < MEGABYTES


@many
def test_folders(count: int, tmp_path: Path) -> None:
    whole, draw, most = tmp_path / "whole", random.Random(count), memory()
    shards = Shards.open(whole, RECORD)
    for number in range(2):
        part = rows(9)
        table = Table(
            part.table.drop(columns="error").assign(path=[f"{number}{row}.png" for row in range(9)]), Path("/x"), "t"
        )
        shards.write(part.vectors, table, part.table["error"].tolist(), np.ones((9, 2), dtype=np.int64))
    shards.remove(["/x/05.png"])
    for path in whole.glob("*.parquet"):
        pq.write_table(pq.read_table(path), path)
    place = tmp_path / "inside" / "v"
    refused = 0
    for _ in range(count):
        shutil.copytree(whole, place)
        file = place / draw.choice(sorted(path.name for path in place.iterdir() if not path.name.startswith(".")))
        content, kind = file.read_bytes(), draw.random()
        if kind < 0.1:
            file.rename(file.with_name(draw.choice(["9" * 20, "-1", "0x1", "removed-7", "00000007", "1"]) + ".parquet"))
        elif kind < 0.2:
            file.unlink()
            draw.choice([os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path), lambda path: None])(file)  # fmt: skip
        elif kind < 0.6 and file.suffix == ".parquet" and not file.name.startswith("removed"):
            file.write_bytes(parts_changed(draw, content))
        else:
            file.write_bytes(bytes_changed(draw, content))
        refused += opened(place) is None
        shutil.rmtree(place)
    assert 0 < refused < count
    assert memory() - most < MEGABYTES

"""Vectors, rows and record survive the file; vectors of something else are refused."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import toys
from drawn_rows import random_embeddings

from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.embedding.shards import load_embeddings
from omlzoo.errors import BadInput

PREPROCESS = json.loads(json.dumps(asdict(toys.PREPROCESS)))
RECORD = Record("m", "0" * 64, 3, PREPROCESS, False, "fp32", "/photos")


def made() -> Embeddings:
    vectors = np.arange(9, dtype=np.float32).reshape(3, 3)
    vectors[1] = np.nan
    table = pd.DataFrame({"path": ["a", "b", "c"], "label": ["007", "x", "y"], "error": ["", "broken", ""]})
    return Embeddings(vectors, table, RECORD)


def test_the_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    made().save(tmp_path / "e.parquet")
    found = load_embeddings(tmp_path / "e.parquet")
    assert np.array_equal(found.vectors, made().vectors, equal_nan=True)
    assert found.table.to_dict() == made().table.to_dict()
    assert found.record == RECORD
    assert found.good.tolist() == [True, False, True]
    schema = pq.read_schema(tmp_path / "e.parquet")
    assert str(schema.field("vector").type) == "fixed_size_list<element: float>[3]"
    assert b"preprocess_hash" in schema.metadata[b"omlzoo"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        load_embeddings(tmp_path / "none.parquet")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and so on")
    with pytest.raises(BadInput, match="not a whole Parquet file"):
        load_embeddings(tmp_path / "x.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "y.parquet")
    with pytest.raises(BadInput, match="without our record"):
        load_embeddings(tmp_path / "y.parquet")
    with pytest.raises(BadInput, match="2 vectors and 3 rows"):
        Embeddings(np.zeros((2, 3), dtype=np.float32), made().table, RECORD)


@pytest.mark.parametrize(
    "change", [{"dim": 4}, {"sha256": "state:1"}, {"preprocess": {"crop": [5, 5]}}, {"normalized": True}]
)
def test_vectors_of_something_else_are_refused(change: dict[str, object]) -> None:
    RECORD.check_comparable(replace(RECORD, precision="bf16", root="/elsewhere", model="another name"))
    with pytest.raises(
        BadInput, match=f"{next(iter(change)).replace('preprocess', 'preprocess_hash')} is .* there and .* here"
    ):
        RECORD.check_comparable(replace(RECORD, **change))


def test_numpy_takes_embeddings_as_they_are() -> None:
    rows = random_embeddings(5)
    assert np.asarray(rows) is rows.vectors
    assert np.array(rows) is not rows.vectors
    assert np.array(rows, dtype="float64").tolist() == rows.vectors.astype("float64").tolist()
    assert np.stack([rows, rows]).shape == (2, *rows.vectors.shape)


def test_arrow_has_what_the_file_has(tmp_path: Path) -> None:

    rows = random_embeddings(5)
    rows.table.loc[2, "error"] = "broken"
    rows.vectors[2] = np.nan
    rows.save(tmp_path / "e.parquet")
    found, written = rows.to_arrow(), pq.read_table(tmp_path / "e.parquet")
    assert found.to_pylist() == written.to_pylist()
    assert found.schema.metadata[b"omlzoo"] == written.schema.metadata[b"omlzoo"]
    assert found["vector"][2].as_py() is None


def test_datasets_has_the_rows() -> None:
    pytest.importorskip("datasets")
    rows = random_embeddings(5)
    rows.table.loc[2, "error"] = "broken"
    rows.vectors[2] = np.nan
    found = rows.to_datasets()
    assert found["path"][:] == rows.table["path"].tolist()
    assert found[4]["vector"] == rows.vectors[4].tolist()
    assert found[2]["vector"] is None
    assert found.filter(lambda row: row["error"] == "").num_rows == 4

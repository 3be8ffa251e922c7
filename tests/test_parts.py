"""What :mod:`omlzoo.parts` does is seen through embed(), in test_extraction.py; here its own corners."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omlzoo.embeddings import Record
from omlzoo.errors import BadInput
from omlzoo.parts import SHARD, Parts
from omlzoo.table import Table


def test_a_gap_ends_the_restored_rows(tmp_path: Path) -> None:
    rows = 3 * SHARD
    table = Table(pd.DataFrame({"path": [str(i) for i in range(rows)]}), tmp_path, "t")
    record = Record("m", "0" * 64, 2, {}, False, "fp32", "")
    vectors, errors = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2), [""] * rows
    parts = Parts.open(tmp_path / "e.parquet", record, table)
    for done in (SHARD, 2 * SHARD, 3 * SHARD):
        parts.write(vectors, errors, done)
    found = np.zeros_like(vectors)
    assert Parts.open(tmp_path / "e.parquet", record, table).restore(found, [""] * rows) == rows
    assert np.array_equal(found, vectors)
    (parts.folder / f"{SHARD:012d}.parquet").unlink()
    assert Parts.open(tmp_path / "e.parquet", record, table).restore(found, [""] * rows) == SHARD


def test_a_column_that_parquet_does_not_take_is_refused_at_once(tmp_path: Path) -> None:
    table = Table(pd.DataFrame({"path": ["a", "b"], "mixed": [1, {"x": 2}]}), tmp_path, "t.csv")
    with pytest.raises(BadInput, match="a column cannot be written as Parquet"):
        Parts.open(tmp_path / "e.parquet", Record("m", "0" * 64, 2, {}, False, "fp32", ""), table)
    assert not list(tmp_path.iterdir())

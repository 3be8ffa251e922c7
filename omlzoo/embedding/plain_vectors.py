"""Vectors that no model of ours made, with a table of what they are of, as embeddings that an index holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.embedding.embeddings import ERROR, Embeddings, Record
from omlzoo.errors import BadInput
from omlzoo.ops.arrays import LARGEST, check_array

__all__ = ["of_vectors"]

WITHOUT = {
    "resize": [1, 1], "mode": "squash", "crop": [1, 1], "interpolation": "bilinear", "antialias": True, "pad": None,
    "mean": [0.0] * 3, "std": [1.0] * 3,
}  # fmt: skip
NEAR = 1e-3  # how far from 1 the norms of unit vectors may be


def of_vectors(vectors: Any, table: pd.DataFrame | str | Path | None) -> Embeddings:
    """Embeddings of plain vectors; pictures cannot be embedded for them, so they are searched with vectors.

    They are compared by cosine where all have an L2 norm of 1, else by Euclidean distance.

    Args:
        vectors: (N, D) finite numbers.
        table: A row for each vector: a DataFrame, or a csv or Parquet file; None numbers them. Without a column
            ``path`` rows are named "row 0", "row 1", ...

    Raises:
        BadInput: The vectors are no such array, or the table has another number of rows.
    """
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    check_array("vectors", found)
    if isinstance(table, str | Path):
        read = pd.read_parquet if str(table).endswith(".parquet") else pd.read_csv
        table = read(table)
    frame = pd.DataFrame(index=range(len(found))) if table is None else table.reset_index(drop=True)
    if len(frame) != len(found):
        raise BadInput(f"table has {len(frame)} rows for {len(found)} vectors; give one for each, in their order")
    if "path" not in frame:
        frame = frame.assign(path=pd.Series([f"row {number}" for number in range(len(found))], dtype="str"))
    norms = np.linalg.norm(found.astype(np.float64), axis=1)
    unit = bool((np.abs(norms - 1) < NEAR).all())
    if np.abs(found).max(initial=0) > LARGEST:
        raise BadInput(f"vectors hold a number above {LARGEST:g}; distances need smaller ones")
    if unit:
        found = (found / norms[:, None]).astype(np.float32)
    record = Record("vectors of one's own", f"state:{'0' * 64}", found.shape[1], WITHOUT, unit, "fp32", str(Path.cwd()))
    return Embeddings(found, frame.assign(**{ERROR: pd.Series([""] * len(found), dtype="str")}), record)

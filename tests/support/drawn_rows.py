"""Rows of an index without pictures: random unit vectors under names that are no files."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from toys import toy_entry

from omlzoo.embedding.embeddings import Embeddings, Record

__all__ = ["random_embeddings", "record"]


def record(dim: int) -> Record:
    """The facts of a model that is nowhere and has unit vectors."""
    preprocess: dict[str, Any] = {**asdict(toy_entry().preprocess)}
    plain = json.loads(json.dumps(preprocess))
    return Record("nowhere", "0" * 64, dim, plain, normalized=True, precision="fp32", root="/")


def random_embeddings(count: int, dim: int = 16, seed: int = 0) -> Embeddings:
    """Embeddings of a model that is nowhere, with columns label, kind (a) and n (0, 1, 2 in turn).

    Args:
        count: Number of rows.
        dim: Dimension of the vectors.
        seed: Seed of the vectors.
    """
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = pd.DataFrame({
        "path": pd.Series([f"/nowhere/{row}.png" for row in range(count)], dtype="str"),
        "label": pd.Series([f"l{row % 30}" for row in range(count)], dtype="str"),
        "kind": "a", "n": np.arange(count) % 3,
        "error": pd.Series([""] * count, dtype="str"),
    })  # fmt: skip
    return Embeddings(vectors, table, record(dim))

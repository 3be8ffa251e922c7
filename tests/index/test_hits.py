"""What hits say of themselves; searching is tested with the index."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrations import CALIBRATION

from omlzoo.index.hits import Hits
from omlzoo.ops.similarity import Similarity


def hits(similarity: Similarity, **more: Any) -> Hits:
    embeddings: Any = SimpleNamespace(table=pd.DataFrame({"path": ["a", "b"], "error": ["", ""]}))
    scores = np.array([[1.0, 0.5], [-1.0, -np.inf]], dtype=np.float32)
    queries = pd.DataFrame({"path": ["q", "r"], "error": ["", ""]})
    return Hits(np.array([[0, 1], [1, -1]]), scores, queries, embeddings, similarity, CALIBRATION, Path(), **more)


def test_distances_of_unit_vectors_follow_from_cosines() -> None:
    assert hits("cosine").distances == pytest.approx(np.array([[0, 1], [2, np.inf]]))
    assert hits("euclidean").distances == pytest.approx(np.array([[-1, -0.5], [1, np.inf]]))


def test_a_table_has_a_row_for_each_hit_with_what_is_known_of_it() -> None:
    found = hits("cosine", accepted=np.array([[True, False], [False, False]]))
    assert found.is_known is not None
    assert found.is_known.tolist() == [True, False]
    table = found.table()
    assert table["accepted"].tolist() == [True, False, False]
    assert table["probability"].tolist() == [1, 0, 0]
    assert table["path"].tolist() == ["a", "b", "b"]
    assert "accepted" not in hits("cosine").table()

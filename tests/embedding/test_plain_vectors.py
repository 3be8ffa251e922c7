"""Plain vectors in an index: found by vectors, with their table, by cosine where all have the norm 1."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import omlzoo
from omlzoo.embedding.plain_vectors import of_vectors
from omlzoo.errors import BadInput

VECTORS = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)


@pytest.mark.parametrize("unit", [True, False])
def test_an_index_of_arrays_finds_the_nearest_and_opens_again(tmp_path: Path, unit: bool) -> None:
    vectors = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True) if unit else VECTORS
    table = pd.DataFrame({"label": np.arange(30) % 3, "price": np.arange(30.0)})
    index = omlzoo.build_index(vectors, table=table)
    assert index.similarity == ("cosine" if unit else "euclidean")
    far = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    assert index.search(vectors, k=2).ids[:, 1].tolist() == far.argsort(axis=1)[:, 1].tolist()
    index.save(tmp_path / "index")
    again = omlzoo.open_index(tmp_path / "index")
    hits = again.search(torch.from_numpy(vectors[:1]), k=3, where={"label": 1})
    assert hits.table()["price"].tolist() == [float(row) for row in far[0].argsort() if row % 3 == 1][:3]
    assert again.embeddings.table["path"].tolist()[:2] == ["row 0", "row 1"]
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(BadInput, match=r"search with vectors"):
        again.search([tmp_path / "a.png"])


def test_a_table_may_be_a_file_and_tensors_do_too(tmp_path: Path) -> None:
    pd.DataFrame({"path": [f"{n}.jpg" for n in range(30)]}).to_csv(tmp_path / "t.csv", index=False)
    found = of_vectors(VECTORS, tmp_path / "t.csv")
    assert found.table["path"].tolist()[3] == "3.jpg"
    assert omlzoo.build_index(torch.from_numpy(VECTORS)).size == 30


def test_odd_vectors_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="table has 2 rows for 30 vectors"):
        omlzoo.build_index(VECTORS, table=pd.DataFrame({"a": [1, 2]}))
    with pytest.raises(BadInput, match="vectors"):
        omlzoo.build_index(np.full((3, 2), np.nan))
    with pytest.raises(BadInput, match="table is for plain vectors"):
        omlzoo.build_index(of_vectors(VECTORS, None), table=pd.DataFrame({"a": [1]}))

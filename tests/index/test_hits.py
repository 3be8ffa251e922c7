"""What hits say of themselves; searching is tested with the index."""

import webbrowser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrations import CALIBRATION

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
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


def test_hits_are_a_sequence_of_tables_one_for_each_query() -> None:
    found = hits("cosine")
    assert len(found) == 2
    assert found[0]["path"].tolist() == ["a", "b"]
    assert found[-1]["path"].tolist() == ["b"]
    assert [len(table) for table in found] == [2, 1]
    assert found.pandas().equals(found.table())
    with pytest.raises(IndexError):
        found[2]


def test_printed_hits_are_the_table_of_the_command() -> None:
    assert str(hits("cosine", accepted=np.array([[True, False], [False, False]]))).splitlines() == [
        "query  rank  score             label  path",
        "q      1     1.0000                   a",
        "q      2     0.5000 rejected          b",
        "r      1     -1.0000 rejected         b",
    ]
    many = Hits(np.zeros((30, 1), int), np.zeros((30, 1)), pd.DataFrame({"path": ["q"] * 30, "error": [""] * 30}),
                hits("cosine").embeddings, "cosine")  # fmt: skip
    assert str(many).splitlines()[-1] == "and 10 more hits"
    assert repr(many).startswith("Hits(30 queries, k = 1, cosine, ")


def test_a_notebook_shows_few_pictures_and_a_page_is_opened_elsewhere(
    drawn_embeddings: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = omlzoo.build_index(drawn_embeddings)
    assert len(index) == index.size
    root = Path(drawn_embeddings.record.root)
    found = index.search([root / path for path in drawn_embeddings.table["path"][:7]], k=10)
    html = found._repr_html_()
    assert html.count("data:image/jpeg;base64,") == 5 * (1 + 8)
    assert "and 2 more queries" in html
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    page = found.show()
    assert page is not None
    assert page.read_text().count("<img") > 10
    assert opened == [page.as_uri()]

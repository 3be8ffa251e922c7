"""Chances of labels are the votes of the nearest rows, as a loop counts them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import omlzoo
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor


def index_of(vectors: np.ndarray, labels: list[Any], **options: Any) -> Any:
    table = pd.DataFrame({"path": [f"{row}.png" for row in range(len(vectors))], "label": labels, "error": ""})
    record = Record("m", "x" * 64, vectors.shape[1], {}, False, "fp32", "/nowhere")
    return omlzoo.build_index(Embeddings(vectors.astype(np.float32), table, record), **options)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize(("k", "temperature"), [(3, 0.07), (20, 0.5), (100, 0.07)])
def test_votes_of_a_loop_by_cosine_whatever_the_index_compares_by(scale: float, k: int, temperature: float) -> None:
    random = np.random.default_rng(0)
    rows, queries = random.normal(size=(40, 5)) * scale, random.normal(size=(7, 5)) * scale
    labels = [f"label {number}" for number in random.integers(0, 6, 40)]
    found = index_of(rows, labels).classify(queries.astype(np.float32), k, temperature)
    for number, query in enumerate(queries):
        cosines = [float(row @ query / np.linalg.norm(row) / np.linalg.norm(query)) for row in rows]
        votes = dict.fromkeys(found.columns, 0.0)
        for row in sorted(range(40), key=lambda row: -cosines[row])[:k]:
            votes[labels[row]] += math.exp(cosines[row] / temperature)
        wanted = {label: value / sum(votes.values()) for label, value in votes.items()}
        assert found.iloc[number].to_dict() == pytest.approx(wanted, rel=1e-4, abs=1e-9)
    assert list(found.columns) == sorted(found.columns)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_only_labels_among_the_hits_have_a_column() -> None:
    index = index_of(np.eye(4), [10, 9, 9, 2])
    found = index.classify(np.array([[1, 0.5, 0, 0], [0, 1, 0.5, 0]], dtype=np.float32), k=2)
    assert found.columns.tolist() == [9, 10]
    assert found.loc[1].tolist() == [1.0, 0.0]
    assert found[10][0] == pytest.approx(1 / (1 + math.exp(-0.5 / 1.25**0.5 / 0.07)), rel=1e-4)


def test_rows_without_a_label_do_not_vote_and_that_is_said() -> None:
    index = index_of(np.eye(3), ["a", "", "b"])
    with pytest.warns(OmlzooWarning, match="1 of 3 rows of the index have no label and do not vote"):
        found = index.classify(np.array([[0.1, 1, 0]], dtype=np.float32), k=1)
    assert found.to_dict("list") == {"a": [1.0]}
    for labels in (["", ""], [None, None]):
        with pytest.raises(BadInput, match="none of the 2 rows of the index has a label"):
            index_of(np.eye(2), labels).classify(np.eye(2, dtype=np.float32))


def test_removed_rows_do_not_vote() -> None:
    index = index_of(np.eye(3), ["a", "b", "c"])
    index.remove([0])
    assert index.classify(np.eye(3, dtype=np.float32)[:1]).columns.tolist() == ["b", "c"]


def test_pictures_are_classified_and_a_row_may_leave_itself_out(drawn: Path, model: Extractor, tmp_path: Path) -> None:
    frame = pd.read_csv(drawn).iloc[:20]
    embeddings = omlzoo.embed(model, frame, root=drawn.parent)
    index = omlzoo.build_index(embeddings)
    files = [drawn.parent / path for path in frame["path"][:3]]
    assert index.classify(files, k=1).idxmax(axis=1).tolist() == frame["label"][:3].astype(str).tolist()
    hits = index.search(files, k=1, exclude_self=True)
    without = index.classify(files, k=1, exclude_self=True)
    assert without.idxmax(axis=1).tolist() == frame["label"].iloc[hits.ids[:, 0]].astype(str).tolist()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.warns(OmlzooWarning, match="1 of 2 pictures could not be read"):
        found = index.classify([files[0], tmp_path / "broken.png"])
    assert found.isna().all(axis=1).tolist() == [False, True], "what cannot be read has no chances"


def test_a_backend_that_is_not_exact_votes_too() -> None:
    random = np.random.default_rng(0)
    rows, queries = random.normal(size=(200, 8)), random.normal(size=(5, 8)).astype(np.float32)
    labels = [f"{number}" for number in random.integers(0, 4, 200)]
    exact = index_of(rows, labels).classify(queries, k=5)
    pd.testing.assert_frame_equal(index_of(rows, labels, backend="faiss").classify(queries, k=5), exact, rtol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    index = index_of(np.eye(2), ["a", "b"])
    for settings, said in (({"k": 0}, "k is 0"), ({"temperature": 0}, "temperature is 0"),
                           ({"temperature": math.nan}, "temperature is nan")):  # fmt: skip
        with pytest.raises(BadInput, match=said):
            index.classify(np.eye(2, dtype=np.float32), **settings)
    bare = replace(index.embeddings, table=index.embeddings.table.drop(columns="label"))
    with pytest.raises(BadInput, match="the index has no column label"):
        omlzoo.build_index(bare).classify(np.eye(2, dtype=np.float32))
    with pytest.raises(BadInput, match="vectors have the shape"):
        index.classify(np.eye(3, dtype=np.float32))

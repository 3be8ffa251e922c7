"""Whatever rows come, go, fail or are alike: approximate indexes that look at all have the hits of the exact one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings
from stores import STORES, options_of

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.index.index import Index

MOST = 400
WHOLE = {
    "faiss": {"search_width": 2000},
    "faiss_int8": {"spare": 40},
    "faiss_float16": {"spare": 20},
}  # so that none is missed
pytestmark = pytest.mark.filterwarnings("ignore:.*rows have no vector and are never found", "ignore:no row has")


def strange(seed: int) -> Embeddings:
    """Rows of which some are copies of others, some failed, and in half of the cases of vectors of any length."""
    random, rows = np.random.default_rng(seed), random_embeddings(MOST, 8, seed)
    vectors = rows.vectors.copy()
    vectors[random.integers(0, MOST, 50)] = vectors[0]
    broken = random.random(MOST) < 0.1
    vectors[broken] = np.nan
    labels = rows.table["label"].where(random.random(MOST) > 0.1, "it's \"1\"; \0 — é\u0301 'x")
    table = rows.table.assign(error=rows.table["error"].where(~broken, "broken"), label=labels)
    if seed % 2:
        return replace(rows, vectors=vectors, table=table)
    lengths = random.uniform(0.1, 9, (MOST, 1)).astype(np.float32)
    return replace(rows, vectors=vectors * lengths, table=table, record=replace(rows.record, normalized=False))


def acts(random: np.random.Generator, index: Index, rows: Embeddings) -> Iterator[tuple[str, Any]]:
    """What is done to both indexes, drawn."""
    number = np.arange(MOST)
    for act in random.permutation(["add", "add", "add", "remove", "remove", "remove most", "save", "save"]):
        there = len(index.embeddings)
        good = np.flatnonzero(index.embeddings.good)
        if act == "add":
            yield "add", rows.rows((number >= there) & (number < there + random.integers(1, 30)))
        elif act == "save":
            yield "save", None
        else:
            yield "remove", random.choice(good, int(len(good) * (0.7 if act == "remove most" else 0.1)), replace=False)


def filters(random: np.random.Generator, index: Index) -> list[Any]:
    count = len(index.embeddings)
    first = np.nan_to_num(index.embeddings.vectors[:, 0])
    label = index.embeddings.table["label"].iloc[random.integers(count)]
    return [None, random.random(count) < 0.5, first > 0.3, np.arange(count) < 3, {"label": label}, {"n": 1}]


@pytest.mark.parametrize("few", [0, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "backend", ["faiss", *(pytest.param(name, marks=pytest.mark.slow) for name in (*WHOLE, *STORES) if name != "faiss")]
)
def test_the_hits_are_those_of_the_exact_index(
    backend: str, seed: int, few: int, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlzoo.index.rows.FEW", few)
    options = WHOLE.get(backend) or options_of(backend, folder, request)
    random, rows = np.random.default_rng(seed + few), strange(seed)
    begun = rows.rows(np.arange(MOST) < 200)
    ours, exact = omlzoo.build_index(begun, backend=backend, **options), omlzoo.build_index(begun)
    for act, given in acts(random, exact, rows):
        if act == "add":
            assert ours.add(given).tolist() == exact.add(given).tolist()
        elif act == "remove":
            assert ours.remove(given) == exact.remove(given)
        else:
            ours.save(folder / "x")
            named = {name: value for name, value in options.items() if name in ("uri", "path")}
            ours = omlzoo.open_index(folder / "x", **named)
        queries = rows.rows(rows.good & (random.random(MOST) < 0.02))
        every = filters(random, exact)
        for where in (every[number] for number in random.choice(len(every), 3, replace=False)):
            for k in (3, 500):
                found, wanted = (each.search(queries, k=k, where=where, exclude_self=k == 3) for each in (ours, exact))
                assert found.scores == pytest.approx(wanted.scores, rel=1e-5, abs=1e-4)
                assert (found.ids >= 0).tolist() == (wanted.ids >= 0).tolist()
                with np.errstate(invalid="ignore"):  # where there is none beside none
                    tied = np.diff(wanted.scores, axis=1, append=np.nan, prepend=np.nan)
                alone = (np.abs(tied[:, 1:]) > 1e-4) & (np.abs(tied[:, :-1]) > 1e-4)
                assert (found.ids == wanted.ids)[alone].all()

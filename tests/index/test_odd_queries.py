"""A query of any kind and shape has the same answer, or is refused in the same line, whatever the backend and metric."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_rows import random_embeddings

import omlzoo
from omlzoo import metrics
from omlzoo.errors import BadInput, OmlzooError
from omlzoo.index.index import Index

ROWS = random_embeddings(40)
GIVEN = ROWS.vectors[:3]
LOCKED = GIVEN.copy()
LOCKED.setflags(write=False)


class Sparse:
    """Like a matrix of scipy."""

    def toarray(self) -> np.ndarray:
        return GIVEN


RIGHT = {
    "read-only": LOCKED, "by columns": np.asfortranarray(GIVEN), "strided": np.repeat(GIVEN, 2, axis=1)[:, ::2], "backwards": GIVEN[::-1].copy()[::-1],
    "float16": GIVEN.astype(np.float16), "float64": GIVEN.astype(float), "longdouble": GIVEN.astype(np.longdouble), "swapped": GIVEN.astype(">f4"),
    "integers": (GIVEN * 1000).round().astype(int) / 1000, "bfloat16": torch.tensor(GIVEN).bfloat16(), "a graph": torch.tensor(GIVEN, requires_grad=True),
    "lists": GIVEN.tolist(), "tuples": tuple(map(tuple, GIVEN.tolist())), "arrays": list(GIVEN), "tensors": list(torch.tensor(GIVEN)),
    "tensors of bfloat16": list(torch.tensor(GIVEN).bfloat16()), "tensors with a graph": list(torch.tensor(GIVEN, requires_grad=True)),
    "nothing masked": np.ma.masked_array(GIVEN), "none": GIVEN[:0],
}  # fmt: skip
WRONG = {
    "one": (GIVEN[0], "shape"), "three axes": (GIVEN[:, :, None], "shape"), "no numbers": (GIVEN[:, :0], "at least one number"), "lists of nothing": ([[], []], "at least one"),
    "objects": (GIVEN.astype(object), "kind object"), "texts": (GIVEN.astype(str), "kind <U"), "bool": (GIVEN > 0, "bool"), "complex": (GIVEN * 1j, "complex"),
    "times": (np.zeros((3, 16), "M8[s]"), "kind datetime64"), "decimals": ([[Decimal(1)] * 16] * 3, "kind object"), "huge integers": ([[10**30] * 16] * 3, "kind object"),
    "ragged": ([[1.0], [1.0, 2.0]], "equal length"), "sparse tensor": (torch.tensor(GIVEN).to_sparse(), "sparse"), "sparse": (Sparse(), "are sparse"),
    "meta": (torch.empty(3, 16, device="meta"), "on meta"), "masked": (np.ma.masked_array(GIVEN, GIVEN > 0.1), "masked"),
    "NaN": (np.where(np.arange(16) == 3, np.nan, GIVEN), "NaN or infinity"), "infinite": (np.where(np.arange(16) == 3, np.inf, GIVEN), "NaN or infinity"),
}  # fmt: skip
METRICS = {
    "retrieval": lambda rows: metrics.retrieval(rows, [0, 0, 1]), "verification": lambda rows: metrics.verification(rows, [0, 0, 1]).metrics,
    "fnmr": lambda rows: metrics.fnmr_at_fmr(rows, [0, 0, 1]), "opis": lambda rows: metrics.opis(rows, [0, 0, 1]), "pcf": metrics.pcf,
    "uniformity": metrics.uniformity, "alignment": lambda rows: metrics.alignment(rows, [0, 0, 1]),
}  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["cosine", "euclidean"])
def indexes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Index]:
    pytest.importorskip("milvus_lite")
    rows = replace(ROWS, record=replace(ROWS.record, normalized=request.param))
    where: Path = tmp_path_factory.mktemp("rows") / "rows.db"
    return {
        name: omlzoo.build_index(
            rows, backend=name, **({"uri": str(where), "kind": "FLAT"} if name == "milvus" else {})
        )
        for name in ("exact", "faiss", "milvus")
    }


def refusal(act: Any) -> str:
    with pytest.raises(OmlzooError) as error:
        act()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", RIGHT)
def test_every_backend_and_metric_takes_rows_of_every_kind(name: str, indexes: dict[str, Index]) -> None:
    given: Any = RIGHT[name]
    for index in indexes.values():
        hits = index.search(given, k=2)
        assert hits.ids[:, 0].tolist() == list(range(len(given)))  # of each its own row
        wanted = indexes["exact"].search(given, k=2)
        assert hits.ids.tolist() == wanted.ids.tolist()
        assert np.array_equal(hits.scores, wanted.scores)
    for measure in METRICS.values() if len(given) else ():
        assert measure(given) == pytest.approx(measure(GIVEN.astype(float)), abs=0.02)


@pytest.mark.parametrize("name", WRONG)
def test_every_backend_and_metric_refuses_the_same_in_one_line(name: str, indexes: dict[str, Index]) -> None:
    given, said = WRONG[name]
    lines = {refusal(lambda index=index: index.search(given, k=2)) for index in indexes.values()}
    assert len(lines) == 1
    assert said in lines.pop()
    for measure in METRICS.values():
        assert said in refusal(lambda measure=measure: measure(given))


@pytest.mark.parametrize("given", [
    GIVEN[:, :5], np.zeros((2, 17)), pd.DataFrame(GIVEN), pd.DataFrame({"path": []}), [], None, 1.0, b"x", {1}, [GIVEN[0], "a.png"],
], ids=range(10))  # fmt: skip
def test_what_fits_no_index_is_refused_by_each(given: Any, indexes: dict[str, Index]) -> None:
    lines = set()
    for index in indexes.values():
        with pytest.raises(OmlzooError) as error:
            index.search(given)
        lines.add(str(error.value))
    assert len(lines) == 1


def test_zeros_and_numbers_beyond_float32(indexes: dict[str, Index]) -> None:
    large = GIVEN.astype(float) * 1e300
    for index in indexes.values():
        if index.similarity == "cosine":
            assert "no direction" in refusal(lambda index=index: index.search(GIVEN * 0))
            assert index.search(large, k=1).ids[:, 0].tolist() == [0, 1, 2]
        else:
            assert (index.search(GIVEN * 0, k=2).scores < 0).all()
            assert "at most 1e+15" in refusal(lambda index=index: index.search(large))
    for measure in METRICS.values():
        assert "above 1e+15" in refusal(lambda measure=measure: measure(large))


def test_a_memoryview_is_an_array() -> None:
    rows = random_embeddings(9)
    index = omlzoo.build_index(rows)
    for view in (memoryview(rows.vectors[2:4]), memoryview(np.asfortranarray(rows.vectors[2:4]))):
        assert index.search(view, k=1).ids.tolist() == [[2], [3]]
    for wrong in (memoryview(rows.vectors[2]), memoryview(rows.vectors[None]), memoryview(b"abc")):
        with pytest.raises(BadInput, match=r"^vectors have the shape [^\n]*$"):
            index.search(wrong)

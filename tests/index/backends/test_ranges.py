"""Options that are no whole numbers, or out of their range, are refused in one line before a library sees them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings

import omlzoo
from omlzoo.errors import BadInput
from omlzoo.index.backends._ranges import check_whole, checked_folder

PACKAGES = {"lancedb": "lancedb", "qdrant": "qdrant_client", "pgvector": "psycopg", "faiss": "faiss", "faiss_ivfpq": "faiss",
            "faiss_int8": "faiss", "faiss_binary": "faiss"}  # fmt: skip
OPTIONS = {
    "faiss": ("neighbours", "build_width", "search_width"), "faiss_ivfpq": ("lists", "probes", "code_bytes", "spare"),
    "faiss_int8": ("spare",), "faiss_binary": ("spare",), "lancedb": ("probes", "search_width"),
    "qdrant": ("neighbours", "build_width", "search_width"), "pgvector": ("neighbours", "build_width", "search_width"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "option"), [(backend, name) for backend, names in OPTIONS.items() for name in names]
)
def test_numbers_of_a_backend_are_checked(backend: str, option: str, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES[backend])
    place: dict[str, Any] = {
        "lancedb": {"uri": tmp_path / "l"}, "qdrant": {"path": tmp_path / "q"}, "pgvector": {"uri": "postgresql://me@127.0.0.1:1/db"},
    }.get(backend, {})  # fmt: skip
    for wrong in (0, -3, 2.5, "16", True, 10**12, float("nan")):
        with pytest.raises(
            BadInput, match=rf"^{option} is '?{wrong}'?; it must be (a whole number|at least|at most|from)"
        ):
            omlzoo.build_index(random_embeddings(9), backend=backend, **place, **{option: wrong})
    assert not list(tmp_path.iterdir())


def test_whole_numbers_of_any_kind_pass() -> None:
    check_whole(1, 5, a=1, b=np.int64(5), c=np.uint8(3))
    with pytest.raises(BadInput, match="b is 6; it must be at most 5"):
        check_whole(1, 5, a=1, b=6)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True, None, float("inf")])
def test_a_number_of_hits_is_whole(k: Any) -> None:
    index = omlzoo.build_index(random_embeddings(9))
    with pytest.raises(BadInput, match="k is .*; it must be (a whole number|at least 1)"):
        index.search(index.embeddings.vectors[:1], k=k)
    with pytest.raises(BadInput, match="k is .*; it must be (a whole number|at least 1)"):
        index.measure_recall(k)


@pytest.mark.parametrize(("backend", "option"), [("lancedb", "uri"), ("milvus", "uri"), ("qdrant", "path")])
@pytest.mark.parametrize("place", ["", None, 5, "a\0b", b"x", ["a"]])
def test_a_place_is_a_path(backend: str, option: str, place: Any) -> None:
    pytest.importorskip({"lancedb": "lancedb", "milvus": "pymilvus", "qdrant": "qdrant_client"}[backend])
    with pytest.raises(BadInput):
        omlzoo.build_index(random_embeddings(9), backend=backend, **{option: place})
    assert not Path(str(place)).exists() or str(place) == ""
    with (
        pytest.raises(BadInput, match="give the path of a folder or file") if place != "a" else pytest.raises(BadInput)
    ):
        checked_folder(option, place)
    assert checked_folder(option, Path("shoes")) == "shoes"

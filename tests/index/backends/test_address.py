"""Addresses are shown without the password in them."""

import pytest

from omlzoo.index.backends._address import without_password


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:secret@host:5/db?x=1", "postgresql://me@host:5/db?x=1"),
        ("postgresql://me:se@cret@host/db", "postgresql://me@host/db"),
        ("postgresql://:secret@/db?host=/tmp", "postgresql://@/db?host=/tmp"),
        ("postgresql:///db?host=/tmp", "postgresql:///db?host=/tmp"),
        ("http://host:6333", "http://host:6333"),
        ("C:/a:b@c.db", "C:/a:b@c.db"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_a_password_is_taken_out_and_nothing_else(given: str, shown: str) -> None:
    assert without_password(given) == shown

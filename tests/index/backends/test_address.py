"""Addresses are shown without the password in them."""

import pytest

from omlzoo.index.backends._address import said_without, without_password


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
        ("postgresql://me:pa#ss@host/db", "postgresql://me@host/db"),
        ("postgresql://me:pa/ss@host/db", "postgresql://me@host/db"),
        ("postgresql://me:pa?s@s@host:5/db?x=1", "postgresql://me@host:5/db?x=1"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me:a\nb@host/db", "postgresql://me@host/db"),
    ],
)
def test_a_password_is_taken_out_and_nothing_else(given: str, shown: str) -> None:
    assert without_password(given) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('invalid percent-encoded token: "pa%zz"', 'invalid percent-encoded token: "***"'),
        ("wrong password s3cret\nDETAIL: more", "wrong password ***"),
        ("no such host", "no such host"),
        ("user:key1 was refused", "*** was refused"),
        ("key1 was refused", "*** was refused"),
        ("", "ValueError"),
    ],
)
def test_what_a_client_says_is_repeated_without_secrets(said: str, shown: str) -> None:
    address = "postgresql://me:pa%zz@host/db" if "%zz" in said else "postgresql://me:s3cret@host/db"
    assert said_without(ValueError(said), address, "user:key1", "") == shown

"""Text that cannot be written is known and shown by escapes."""

import pytest

from omlzoo.data.written_text import escaped, is_writable


@pytest.mark.parametrize(
    ("text", "shown"), [("a.png", "a.png"), ("靴 é", "靴 é"), ("\udcff.png", "\\xff.png"), ("\ud800", "\\ud800")]
)
def test_escapes(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert is_writable(text) == (text == shown)
    assert is_writable(escaped(text))

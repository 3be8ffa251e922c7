"""Text of users is shown, never obeyed."""

import pytest

from omlzoo.pages.labels import LONGEST, readable, shortened


@pytest.mark.parametrize(("text", "shown"), [
    ("boot", "boot"), ("靴 ботинок 👩‍👩‍👧", "靴 ботинок 👩‍👩‍👧"), ("a\nb\tc", "a\nb\tc"), ("\x00\x1b[31m", "\\u0000\\u001b[31m"),
    ("\u202eabc\u2066", "\\u202eabc\\u2066"), ("\udcff.png", "\\udcff.png"), ("", ""),
])  # fmt: skip
def test_what_cannot_be_shown_is_written_out(text: str, shown: str) -> None:
    assert readable(text) == shown
    readable(text).encode("utf-8")


def test_labels_are_cut_and_stay_in_one_line() -> None:
    assert shortened("x" * LONGEST) == "x" * LONGEST
    assert shortened("x" * 10_000) == "x" * (LONGEST - 3) + "..."
    assert shortened("a\nb  c") == "a b c"
    assert shortened("\x00" * 10_000, 20) == ("\\u0000" * 3)[:17] + "..."
    assert shortened(0.5) == "0.5"

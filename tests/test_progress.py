"""No bar where there is no terminal."""

import io
import sys

import pytest

from omlzoo.progress import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "show", "drawn"), [(io.StringIO(), True, False), (Terminal(), True, True), (Terminal(), False, False)]
)
def test_only_a_terminal_sees_a_bar(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, show: bool, drawn: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with bar(3, "embed", "picture", show) as found:
        found.update(3)
    assert bool(stream.getvalue()) is drawn


@pytest.mark.parametrize(("width", "shown"), [(200, "abcdef"), (120, "abcd"), (80, "a")])
def test_numbers_are_whole_and_as_many_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, width: int, shown: str
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    with bar(120, "epoch 1/20", "batch") as found:
        found.show_numbers({f"number {letter}": "0.1234" for letter in "abcdef"})
        found.refresh()
        line = stream.getvalue().split("\r")[-1]
    assert all(f"number {letter}=0.1234" in line for letter in shown)
    assert f"number {chr(ord(shown[-1]) + 1)}" not in line

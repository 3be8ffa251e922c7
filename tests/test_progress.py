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

"""Callbacks: what they see, when they end a run, and one line where one does what it may not."""

from pathlib import Path
from typing import Any

import pytest
from toys import toy

from omlzoo.errors import BadInput
from omlzoo.training import EarlyStopping
from omlzoo.training.callbacks import Callbacks, UnderWay


def under_way(value: float, before: tuple[float, ...] = (), metric: str = "map@r") -> UnderWay:
    history = [{"epoch": number + 1, f"selection {metric}": each} for number, each in enumerate(before)]
    return UnderWay(Path("run"), len(before) + 1, 9, 1, 0.5, {}, {metric: value}, history, toy("resnet_toy"))


@pytest.mark.parametrize(("values", "patience", "least", "ends"), [
    ([0.1, 0.2, 0.3], 1, 0.0, None), ([0.3, 0.2], 1, 0.0, "stop"), ([0.3, 0.3], 1, 0.0, "stop"),
    ([0.3, 0.2, 0.1], 3, 0.0, None), ([0.3, 0.2, 0.1, 0.2], 3, 0.0, "stop"), ([0.3, 0.2, 0.4, 0.3], 2, 0.0, None),
    ([0.30, 0.31, 0.32], 2, 0.05, "stop"), ([0.30, 0.36], 1, 0.05, None),
])  # fmt: skip
def test_early_stopping_by_hand(values: list[float], patience: int, least: float, ends: str | None) -> None:
    stopping = EarlyStopping("map@r", patience, least)
    assert stopping.on_measure(under_way(values[-1], tuple(values[:-1]))) == ends


@pytest.mark.parametrize(("call", "message"), [
    (lambda: EarlyStopping(patience=0), "patience is 0; it must be a whole number of 1 or more"),
    (lambda: EarlyStopping(least=-1), "least is -1; it must be 0 or more"),
    (lambda: EarlyStopping("cmc@7").on_measure(under_way(0.1)), "EarlyStopping watches 'cmc@7', but an epoch measures map@r"),
    (lambda: Callbacks([object()]), "callback object has none of on_step, on_epoch, on_measure"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


class Says:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def on_epoch(self, run: UnderWay) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_the_first_that_ends_the_run_is_named_and_all_are_called() -> None:
    seen: list[int] = []

    class Watches:
        def on_epoch(self, run: UnderWay) -> None:
            seen.append(run.epoch)

    both = Callbacks([Says(None), Says("stop"), Watches()])
    assert both.call("on_epoch", under_way(0.1)) == "Says"
    assert seen == [1]
    assert Callbacks([Watches()]).call("on_epoch", under_way(0.1)) == ""
    assert not both.listens("on_step")


@pytest.mark.parametrize(("answer", "message"), [
    (True, "callback Says returned True in on_epoch; it must return None, or \"stop\""),
    (RuntimeError("no\nmore"), "^callback Says raised an error in on_epoch of epoch 1: RuntimeError: no$"),
])  # fmt: skip
def test_one_that_raises_or_answers_otherwise_is_one_line(answer: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Callbacks([Says(answer)]).call("on_epoch", under_way(0.1))

"""The time left follows from batches and measurements on a clock that the test turns."""

import pytest

from omlzoo.training.time_left import TimeLeft, in_words


class Clock:
    """Seconds that only the test lets pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def epoch(left: TimeLeft, clock: Clock, number: int, seconds: list[float]) -> list[float | None]:
    """What is left after each batch of an epoch; the batches take these seconds."""
    left.begin(number, 0)
    found = []
    for each in seconds:
        clock.now += each
        left.batch()
        found.append(left.seconds())
    return found


def test_batches_measurements_and_the_end_are_counted() -> None:
    clock = Clock()
    left = TimeLeft(3, 10, clock)
    left.between, left.finish = 4.0, 7.0
    assert left.seconds() is None
    found = epoch(left, clock, 0, [9.0, *[2.0] * 9])  # the first batch starts workers
    assert found[0] is None
    assert found[1] == (8 + 20) * 2 + 3 * 4 + 7
    assert found[-1] == 20 * 2 + 3 * 4 + 7
    clock.now += 3
    assert left.seconds() == found[-1] - 3, "a measurement is under way"
    clock.now += 3
    found = epoch(left, clock, 1, [1.0] * 10)
    assert found[0] == (9 + 10) * 2 + 2 * 6 + 7, "the last epoch's speed, and what lay between"
    assert found[-1] == 10 * 1 + 2 * 6 + 7, "this epoch's"
    clock.now += 6
    assert epoch(left, clock, 2, [1.0] * 10)[-1] == 6 + 7


def test_a_resumed_epoch_counts_its_own_batches() -> None:
    clock = Clock()
    left = TimeLeft(2, 10, clock)
    left.begin(1, 6)
    for _ in range(2):
        clock.now += 3
        left.batch()
    assert left.seconds() == 2 * 3


def test_it_is_said_once_after_a_minute() -> None:
    clock = Clock()
    left = TimeLeft(1, 100, clock)
    left.begin(0, 0)
    said = []
    for _ in range(100):
        clock.now += 10
        left.batch()
        said.append(left.after_a_minute())
    assert [each for each in said if each is not None] == [(100 - 6) * 10]
    assert said.index(940) == 5


@pytest.mark.parametrize(("seconds", "words"), [
    (30, "less than a minute"), (70, "about a minute"), (600, "about 10 minutes"), (3 * 3600, "about 3.0 hours"),
])  # fmt: skip
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

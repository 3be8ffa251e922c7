"""How long a run still takes, from what its batches and measurements took."""

import time
from collections.abc import Callable

__all__ = ["TimeLeft", "in_words"]

ENOUGH = 5  # batches of an epoch from which its own speed is known
MINUTE = 60.0


class TimeLeft:
    """The time left of a run: batches at the speed of this epoch, or of the last one, and what is between epochs.

    The first batch of an epoch, which starts workers, does not count. Until an epoch has ended, the time between
    epochs is what measuring the selection rows took before the first step.

    Args:
        epochs: Number of epochs.
        batches: Number of batches of an epoch.
        clock: Gives seconds.

    Attributes:
        between: Seconds from the last batch of an epoch to the next epoch, in which the selection rows are measured.
        finish: Seconds of measuring the validation rows at the end.
    """

    def __init__(self, epochs: int, batches: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.epochs, self.batches, self.clock = epochs, batches, clock
        self.between = self.finish = 0.0
        self.epoch = self.done = self.counted = 0
        self.pace: float | None = None  # seconds of a batch of the last epoch
        self.begun = self.since = self.last = clock()
        self.said = False

    def begin(self, epoch: int, done: int) -> None:
        """An epoch begins.

        Args:
            epoch: Its number, from 0.
            done: Number of its batches that were trained before.
        """
        if epoch > self.epoch and self.counted:
            self.pace, self.between = self._pace(), self.clock() - self.last
        self.epoch, self.done, self.counted = epoch, done, -1

    def batch(self) -> None:
        """A batch is done."""
        self.last = self.clock()
        self.done, self.counted = self.done + 1, self.counted + 1
        if not self.counted:
            self.since = self.last

    def seconds(self) -> float | None:
        """Seconds that are left; None before the second batch of the run."""
        pace = self._pace()
        if pace is None:
            return None
        later = self.epochs - self.epoch - 1
        left = (self.batches - self.done + later * self.batches) * pace + (later + 1) * self.between + self.finish
        return max(0.0, left - (self.clock() - self.last))

    def after_a_minute(self) -> float | None:
        """Seconds that are left, once, when a minute of batches has passed; otherwise None."""
        if self.said or self.clock() - self.begun < MINUTE or (left := self.seconds()) is None:
            return None
        self.said = True
        return left

    def _pace(self) -> float | None:
        if self.counted >= ENOUGH or (self.pace is None and self.counted > 0):
            return (self.last - self.since) / self.counted
        return self.pace


def in_words(seconds: float) -> str:
    """A duration as one says it, such as "about 12 minutes".

    Args:
        seconds: The duration.
    """
    minutes = seconds / 60
    spans = ((1, "less than a minute"), (1.5, "about a minute"), (90, f"about {round(minutes)} minutes"))
    return next((text for limit, text in spans if minutes < limit), f"about {minutes / 60:.1f} hours")

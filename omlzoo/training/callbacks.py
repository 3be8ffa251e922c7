"""Callbacks of a run: what users do after a step, an epoch or a measurement, and when a run ends early."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_gather import processes
from omlzoo.training.distributed import everyone
from omlzoo.training.own_parts import calling, make_part, say_untold
from omlzoo.training.recipe import Recipe

__all__ = ["Callbacks", "EarlyStopping", "StopRun", "UnderWay", "make_callbacks"]

MOMENTS = ("on_step", "on_epoch", "on_measure")


@dataclass(frozen=True)
class UnderWay:
    """What a callback sees of a run. What it changes in the model, the run goes on with.

    Attributes:
        folder: The run folder.
        epoch: The epoch under way or just finished, from 1.
        epochs: Number of epochs of the whole run.
        step: Number of steps so far.
        loss: Loss of the last batch in ``on_step``, otherwise the mean of the epoch.
        stats: The loss's own numbers of the last batch.
        metrics: Metrics of the selection rows after the epoch; empty in ``on_step`` and where none are set apart.
        history: A row for each finished epoch, as in history.csv.
        model: The extractor as it is measured.
    """

    folder: Path
    epoch: int
    epochs: int
    step: int
    loss: float
    stats: dict[str, float]
    metrics: dict[str, float]
    history: list[dict[str, Any]]
    model: Extractor


class StopRun(Exception):
    """A callback ends the run within an epoch; it never leaves the trainer."""


class EarlyStopping:
    """Ends a run once a metric of the selection rows has not become better for some epochs.

    It reads the history of the run, so a resumed run ends where an unbroken one does.

    Args:
        metric: A metric of the selection rows that is measured in each epoch: "cmc@1", "map@5" or "map@r".
        patience: Number of epochs without a better value after which the run ends, 1 or more.
        least: How much larger a value has to be to count as better, 0 or more.
    """

    def __init__(self, metric: str = "map@r", patience: int = 3, least: float = 0.0) -> None:
        if not isinstance(patience, int) or isinstance(patience, bool) or patience < 1:
            raise BadInput(f"patience is {patience!r}; it must be a whole number of 1 or more")
        if not least >= 0:
            raise BadInput(f"least is {least!r}; it must be 0 or more")
        self.metric, self.patience, self.least = metric, patience, least

    def on_measure(self, run: UnderWay) -> str | None:
        """ "stop" where the last ``patience`` epochs were no better than the best before them.

        Raises:
            BadInput: The metric is not measured.
        """
        if self.metric not in run.metrics:
            has = ", ".join(run.metrics) or "nothing, because selection is 0"
            raise BadInput(f"EarlyStopping watches {self.metric!r}, but an epoch measures {has}")
        values = [row[f"selection {self.metric}"] for row in run.history]
        best, waited = float("-inf"), 0
        for value in [*values, run.metrics[self.metric]]:
            better = value > best + self.least if best > float("-inf") else value > best
            best, waited = (value, 0) if better else (best, waited + 1)
        return "stop" if waited >= self.patience else None


class Callbacks:
    """The callbacks of a run, called in their order.

    Args:
        members: Objects with any of on_step, on_epoch and on_measure.

    Raises:
        BadInput: An object has none of them.
    """

    def __init__(self, members: Sequence[Any] = ()) -> None:
        for member in members:
            if not any(callable(getattr(member, moment, None)) for moment in MOMENTS):
                raise BadInput(
                    f"callback {type(member).__name__} has none of {', '.join(MOMENTS)}; it would do nothing"
                )
        self.members = list(members)

    def listens(self, moment: str) -> bool:
        """Whether a callback has a method of that name."""
        return any(callable(getattr(member, moment, None)) for member in self.members)

    def call(self, moment: str, run: UnderWay) -> str:
        """The name of the first callback that ends the run, in any process; empty where none does.

        Args:
            moment: "on_step", "on_epoch" or "on_measure".
            run: What they see.

        Raises:
            BadInput: A callback raised an error, or returned neither None nor "stop".
        """
        ends = ""
        for member in self.members:
            act = getattr(member, moment, None)
            if not callable(act):
                continue
            name = type(member).__name__
            with calling("callback", name, f"raised an error in {moment} of epoch {run.epoch}"):
                said = act(run)
            if said not in (None, "stop"):
                raise BadInput(f'callback {name} returned {said!r} in {moment}; it must return None, or "stop"')
            ends = ends or name * (said == "stop")
        if processes() > 1:
            ends = next((each for each in everyone(ends) if each), "")
        return ends


def make_callbacks(recipe: Recipe) -> Callbacks:
    """The recipe's callbacks; own parts of the recipe that cannot be told from others are said.

    Raises:
        BadInput: A callback cannot be made, or would do nothing.
    """
    made = Callbacks([make_part(each, "callbacks", {}) for each in recipe.callbacks])
    say_untold(recipe.own())
    return made

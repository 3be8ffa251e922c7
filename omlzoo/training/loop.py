"""The training loop of an epoch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from omlzoo.data.dataset import Batch, Pixels
from omlzoo.training.distributed import everyone
from omlzoo.training.step import Optimization

__all__ = ["EpochSummary", "train_epoch"]


@dataclass
class EpochSummary:
    """Counts and sums of an epoch so far.

    Attributes:
        batches: Number of batches from the loader.
        trained: Number of batches with at least one readable picture.
        pictures: Number of pictures that were trained on.
        total: Sum of the losses of the batches.
        totals: Sums of the loss's own statistics.
        said: In how many batches each of them was there; one that gave nothing to learn from has none.
        skipped: Row and error of each picture that could not be read.
        failures: Number of times that a picture could not be read.
    """

    batches: int = 0
    trained: int = 0
    pictures: int = 0
    total: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    failures: int = 0

    @property
    def loss(self) -> float:
        """Mean loss of the batches."""
        return self.total / max(1, self.trained)

    @property
    def stats(self) -> dict[str, float]:
        """Means of the loss's statistics; "empty_batches" is counted since the start."""
        means = {name: total / max(1, self.said.get(name, self.trained)) for name, total in self.totals.items()}
        if "empty_batches" in self.totals:
            means["empty_batches"] = self.totals["empty_batches"]
        return means

    def add(self, value: float, stats: dict[str, float], pictures: int) -> None:
        """Add a batch.

        Args:
            value: The loss of the batch.
            stats: The loss's own statistics of the batch.
            pictures: Number of pictures in the batch.
        """
        self.trained, self.pictures, self.total = self.trained + 1, self.pictures + pictures, self.total + value
        for name, number in stats.items():
            before = 0.0 if name == "empty_batches" else self.totals.get(name, 0.0)
            self.totals[name] = before + number
            self.said[name] = self.said.get(name, 0) + 1


def train_epoch(
    work: Optimization,
    batches: Iterable[Batch],
    prepare: Callable[[Pixels], Sequence[Tensor]],
    summary: EpochSummary | None = None,
    named: Callable[[Tensor], str] = str,
    after: Callable[[EpochSummary, float | None], None] | None = None,
) -> EpochSummary:
    """Train in place over batches once.

    Args:
        work: Model, objective and optimizer; the model is in the mode it should train in.
        batches: Batches of :func:`omlzoo.data.dataset.collate`.
        prepare: Turns the first part of a batch, such as pixels (B, 3, H, W) uint8, into the views that the model
            takes, on its device.
        summary: The summary of the batches of this epoch that were trained before; None begins the epoch.
        named: Turns rows (B,) into a text that names their pictures, for an error.
        after: Called after each batch, with the summary and the batch's loss; None where no picture could be read.

    Raises:
        BadInput: A loss is not finite; the step and the batch are named, and the weights are those before it.
    """
    summary = summary or EpochSummary()
    for pixels, labels, rows, bad in batches:
        summary.batches += 1
        summary.skipped.update(bad)
        summary.failures += len(bad)
        value = None
        if min(everyone(len(labels))):  # every process takes part in a step, or none does
            value = work.batch(prepare(pixels), labels.to(work.device), rows, partial(named, rows))
            summary.add(value, work.stats, len(labels))
        if after:
            after(summary, value)
    work.step()  # what accumulated since the last one
    return summary

"""Batches of rows that are mistaken for each other, mined over the whole table (after arXiv 2407.15831)."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch

from omlzoo.errors import BadInput, notice
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.ops.nearest import nearest
from omlzoo.samplers._embedding_sampler import EmbeddingSampler
from omlzoo.samplers._label_sampler import RoundRobin, rounds

__all__ = ["HardNegatives"]

CELLS = 20_000_000  # cosines of rows of one label that are in memory at once
NOBODY = -1  # stands for no row


class HardNegatives(EmbeddingSampler):
    """Batches of ``n_labels`` labels with ``n_instances`` rows each: anchors, and beside each its hard negatives.

    :meth:`update` finds for each row the rows of other labels with the largest cosine, in the whole table. Ranks below
    ``range_min`` are passed over, and so are rows that are so near that they may be of the anchor's label in truth:
    nearer than the anchor's least similar row of its own label by the margins. Anchors are drawn in shuffled rounds of
    all rows. Each brings its label, with ``n_instances`` - 1 more rows of it, and up to ``negatives`` of its hard
    negatives, drawn at random where there are more, with as many rows of their labels. No label is in a batch twice; a
    batch that is not full takes the next anchor. Before the first update the batches are those of Balanced. An epoch
    has ceil(rows / (n_labels x n_instances)) batches.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        n_labels: P, the number of labels in a batch, at most the number of labels.
        n_instances: K, the number of rows of each label in a batch.
        seed: Seed of the random order; the batches depend on it, the epoch and the embeddings alone.
        negatives: Hard negatives of an anchor in its batch, 1 or more.
        range_min: How many of the nearest rows of other labels, counted after the margins, are passed over.
        range_max: How many of the nearest rows of other labels are looked at, above ``range_min``.
        absolute_margin: The cosine of a negative must be below that of the least similar positive by at least so much;
            None sets no limit.
        relative_margin: It must be at most 1 - relative_margin of that; None sets no limit.

    Attributes:
        repeating: How many labels have fewer than ``n_instances`` rows.
        neighbours: (N, range_max - range_min) int32, the hard negatives of each row, the nearest first, -1 where there
            are fewer; None before the first update. It must be restored for a run to resume with the same batches.
    """

    from_first: ClassVar[bool] = True

    def __init__(
        self, labels: Sequence[Any], n_labels: int, n_instances: int, seed: int = 0, negatives: int = 3,
        range_min: int = 0, range_max: int = 30, absolute_margin: float | None = None,
        relative_margin: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(labels, n_labels, n_instances, seed)
        counts = {"negatives": negatives, "range_min": range_min, "range_max": range_max}
        for name, count in counts.items():
            if not isinstance(count, int) or isinstance(count, bool):
                raise BadInput(f"{name} is {count!r}; it must be a whole number")
        if negatives < 1 or not 0 <= range_min < range_max:
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise BadInput(f"{said}: give negatives of 1 or more, and 0 <= range_min < range_max")
        for name, margin in (("absolute_margin", absolute_margin), ("relative_margin", relative_margin)):
            if margin is not None and (not isinstance(margin, int | float) or not 0 <= margin <= 1):
                raise BadInput(f"{name} is {margin!r}; it must be from 0 to 1, or None")
        self.negatives, self.range_min, self.range_max = negatives, range_min, range_max
        self.absolute_margin, self.relative_margin = absolute_margin, relative_margin

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
        draw = self.rows.shuffled(random)
        if self.neighbours is None:
            for labels in rounds(random, len(self.rows.sizes), self.n_labels, len(self)):
                yield from draw.batches(labels)
            return
        count = len(self.rows.codes)
        anchors = chain.from_iterable(block[:, 0].tolist() for block in rounds(random, count, 1, 2 * count * len(self)))
        for _ in range(len(self)):
            leads: dict[int, int] = {}  # by label
            while len(leads) < self.n_labels:
                self._join(leads, next(anchors), random)
            yield self._filled(leads, draw)

    def _join(self, leads: dict[int, int], anchor: int, random: np.random.Generator) -> None:
        """Add an anchor and its negatives, of labels that are not there yet."""
        codes, mined = self.rows.codes, self.neighbours
        if mined is None or int(codes[anchor]) in leads:
            return
        leads[int(codes[anchor])] = anchor
        found = mined[anchor].numpy()
        found = found[found != NOBODY]
        room = min(self.n_labels - len(leads), self.negatives)
        for row in random.permutation(found).tolist() if len(found) > self.negatives else found.tolist():
            if room and int(codes[row]) not in leads:
                leads[int(codes[row])] = row
                room -= 1

    def _filled(self, leads: dict[int, int], draw: RoundRobin) -> list[int]:
        """The batch: of each label the row that leads, then others of the label in turn."""
        size = self.rows.n_instances
        drawn = draw(np.fromiter(leads, dtype=np.int64))
        batch: list[int] = []
        for place, lead in enumerate(leads.values()):
            others = [row for row in drawn[place * size : (place + 1) * size] if row != lead]
            batch += [lead, *others, *[lead] * size][:size]
        return batch

    def update(self, embeddings: torch.Tensor) -> None:
        """Mine the hard negatives of every row among all rows.

        Args:
            embeddings: (N, D), float, the current embedding of each row, in the order of ``labels``. Rows of zeros have
                no negatives and are none.

        Raises:
            BadInput: A value is not finite, or the number of rows is not that of the labels.
        """
        unit, codes = self.directions(embeddings)
        say_if_long("mining of hard negatives", len(unit), len(unit), unit.shape[1])
        shown = unit.any(dim=1).nonzero().flatten()
        near, names = unit.index_select(0, shown), codes.index_select(0, shown)
        mined = torch.full((len(unit), self.range_max - self.range_min), NOBODY, dtype=torch.int32)
        if len(shown):
            scores, places = nearest(near, near, self.range_max, similarity="cosine", groups=(names, names))
            right = self._far_enough(scores, near, names) & (places >= 0)
            order = torch.argsort(~right, dim=1, stable=True)[:, self.range_min :]
            found = torch.where(right, shown[places], NOBODY).gather(1, order)
            mined[shown, : found.shape[1]] = found.to(mined.dtype)
        if self.neighbours is None and (without := int((mined[:, 0] == NOBODY).sum())):
            notice(
                f"{without} of {len(unit)} rows have no hard negative within range_min {self.range_min}, range_max "
                f"{self.range_max} and the margins; the next anchors fill their batches"
            )
        self.neighbours = mined

    def _far_enough(self, scores: torch.Tensor, unit: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Which of the rows (N, R) with these cosines keep the margins; without a positive none do."""
        right = torch.ones_like(scores, dtype=torch.bool)
        if self.absolute_margin is None and self.relative_margin is None:
            return right
        least = _least_similar(unit, codes)[:, None]
        if self.absolute_margin is not None:
            right &= scores + self.absolute_margin <= least
        if self.relative_margin is not None:
            right &= scores <= least * (1 - self.relative_margin)
        return right


def _least_similar(unit: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The smallest cosine (N,) of each row to another of its label; minus infinity for a row that has none."""
    least = torch.full((len(unit),), -torch.inf)
    order = codes.argsort(stable=True)
    for rows in torch.split(order, torch.unique(codes, return_counts=True)[1].tolist()):
        if len(rows) > 1:
            own, step = unit[rows], max(1, CELLS // len(rows))
            for start in range(0, len(rows), step):
                similar = own[start : start + step] @ own.T
                similar.diagonal(start).fill_(torch.inf)
                least[rows[start : start + step]] = similar.amin(dim=1)
    return least

"""The base of samplers of labels: rows sorted by label, which are drawn in shuffled rounds."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.codes import label_codes

__all__ = ["LabelGroups", "LabelSampler", "RoundRobin", "rounds", "sorting"]

ENOUGH = 20  # random bits of a key; with fewer, many rows of a label would have equal keys
TOGETHER = 1024  # batches that are drawn at once, few enough that the first is available soon


class LabelSampler(Sampler[list[int]]):
    """The base class of samplers of labels: the rows by label, and a generator seeded by seed and epoch alone.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        n_instances: The number of rows of each label in a batch.
        seed: Seed of the random order.

    Attributes:
        rows: The rows of each label.
        repeating: How many labels have fewer than ``n_instances`` rows, so that rows repeat within a batch.
    """

    def __init__(self, labels: Sequence[Any], n_instances: int, seed: int) -> None:
        self.rows = LabelGroups(labels, n_instances)
        self.seed = seed
        self.epoch = 0
        self.repeating = int((self.rows.sizes < n_instances).sum())

    def __repr__(self) -> str:
        labels = f"<{len(self.rows.codes)} rows of {len(self.rows.sizes)} labels>"
        categories = f"<{len(getattr(self, 'labels_of', ()))} categories>"
        return described(self, labels=labels, categories=categories, n_instances=str(self.rows.n_instances))

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, a number from 0; the same epoch always has the same batches."""
        self.epoch = epoch

    def generator(self) -> np.random.Generator:
        """The random generator of the current epoch, in its initial state."""
        return np.random.default_rng((self.seed, self.epoch))

    def checked(self, n_labels: int) -> int:
        """``n_labels``, the number of labels in a batch, if there are that many labels.

        Raises:
            BadInput: It is below 1 or above the number of labels.
        """
        count = len(self.rows.sizes)
        if not 1 <= n_labels <= count:
            raise BadInput(f"n_labels is {n_labels}; it must be between 1 and the number of labels, {count}")
        return n_labels

    def by_category(self, categories: Sequence[Any], n_categories: int, n_labels: int) -> list[np.ndarray]:
        """The labels of each category, as codes, after a check of what a batch is to contain.

        Args:
            categories: (N,) ids of any kind, one for each row; all rows of a label have the same category.
            n_categories: The number of categories in a batch, from 1 to the number of categories.
            n_labels: The number of labels of each category in a batch, at least 1.

        Raises:
            BadInput: There are too few categories or labels, or the categories do not fit the labels.
        """
        labels_of = self.rows.by_category(categories)
        count, total = len(labels_of), len(self.rows.sizes)
        if not 1 <= n_categories <= count:
            raise BadInput(
                f"n_categories is {n_categories}; it must be between 1 and the number of categories, {count}"
            )
        if n_labels < 1 or n_labels * n_categories > total:
            raise BadInput(f"n_categories x n_labels is {n_categories} x {n_labels}; there are only {total} labels")
        return labels_of


class LabelGroups:
    """Rows sorted by label, from which the next ``n_instances`` rows of any label can be drawn.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        n_instances: The number of rows that are drawn of a label at once.

    Attributes:
        codes: (N,), the label of each row as a code from 0 to L - 1.
        names: The label of each code, L.
        order: (N,), the rows sorted by label.
        sizes: (L,), the number of rows of each label.
        starts: (L,), the index in ``order`` of the first row of each label.
    """

    def __init__(self, labels: Sequence[Any], n_instances: int) -> None:
        if n_instances < 1:
            raise BadInput(f"n_instances is {n_instances}; it must be at least 1")
        self.codes, self.names = _coded(labels)
        if not len(self.codes):
            raise BadInput("there are no labels; give each row of the data one")
        self.n_instances = n_instances
        kind: Any = np.int32 if len(self.codes) < 2**30 else np.int64  # halves the time of divisions and memory access
        self.order = sorting(self.codes).astype(kind)
        self.sizes = np.bincount(self.codes).astype(kind)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(kind)

    def by_category(self, categories: Sequence[Any]) -> list[np.ndarray]:
        """The labels of each category, as codes; ``categories`` are (N,) ids of any kind, one for each row.

        Raises:
            BadInput: Their number differs from that of the labels, one is missing, or a label has several categories.
        """
        if len(categories) != len(self.codes):
            counts = f"there are {len(self.codes)} labels and {len(categories)} categories"
            raise BadInput(f"{counts}; give one of each per row")
        codes = label_codes(categories, "categories")[0]
        of_label = codes[self.order[self.starts]]  # the category of each label's first row
        strange = codes != of_label[self.codes]
        if strange.any():
            label = self.names[self.codes[strange.argmax()]]
            raise BadInput(f"label {str(label)!r} lies in several categories; a label belongs to one")
        order = np.argsort(of_label, kind="stable")
        return np.split(order, np.cumsum(np.bincount(of_label))[:-1])

    def shuffled(self, random: np.random.Generator) -> "RoundRobin":
        """The rows of each label in a random order, from which they are drawn in turn."""
        return RoundRobin(self, sorting(self.codes, random).astype(self.order.dtype))


class RoundRobin:
    """Draws the shuffled rows of each label in turn, and begins again when all were drawn.

    Args:
        rows: The rows of each label.
        order: (N,), rows sorted by label, those of a label in the order in which they are drawn.
    """

    def __init__(self, rows: LabelGroups, order: np.ndarray) -> None:
        self.rows, self.order = rows, order
        self.used = np.zeros_like(rows.sizes)
        self.steps = np.arange(rows.n_instances, dtype=order.dtype)

    def __call__(self, labels: np.ndarray) -> list[int]:
        """The next n_instances rows of each of P distinct labels, given as codes (P,): P x n_instances rows."""
        positions = (self.used[labels][:, None] + self.steps) % self.rows.sizes[labels][:, None]
        self.used[labels] += self.rows.n_instances
        rows: list[int] = self.order[self.rows.starts[labels][:, None] + positions].ravel().tolist()
        return rows

    def batches(self, labels: np.ndarray) -> list[list[int]]:
        """The same for n batches of labels, given as codes (n, P), at once; a label may be in several of them."""
        flat = labels.ravel()
        order = sorting(flat)
        first = np.flatnonzero(np.diff(flat[order], prepend=-1))
        counts = np.diff(first, append=len(flat))
        turn = np.empty(len(flat), dtype=self.used.dtype)  # how often the label occurs before in these batches
        turn[order] = np.arange(len(flat)) - np.repeat(first, counts)
        step = self.rows.n_instances
        positions = (self.used[flat] + turn * step)[:, None] + self.steps
        positions %= self.rows.sizes[flat][:, None]
        self.used[flat[order[first]]] += counts * step
        rows: list[list[int]] = (
            self.order[self.rows.starts[flat][:, None] + positions].reshape(len(labels), -1).tolist()
        )
        return rows


def _coded(labels: Any) -> tuple[np.ndarray, Sequence[Any]]:
    """Codes (N,) from 0 on, and the label of each code (L,)."""
    whole = isinstance(labels, list | tuple | range) and set(map(type, labels)) == {int}
    numbers = np.asarray(labels) if whole or hasattr(labels, "dtype") else np.empty(0)
    plain = numbers.ndim == 1 and numbers.dtype.kind in "iu"
    if plain and len(numbers) and numbers.min() >= 0 and numbers.max() < 4 * len(numbers):
        occurs = np.bincount(numbers) > 0  # counting is five times faster for small numbers
        return (np.cumsum(occurs) - 1)[numbers], np.flatnonzero(occurs).tolist()
    return label_codes(labels, "labels")


def sorting(codes: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Positions (N,) that sort codes, as ``numpy.argsort`` returns them.

    Code, random number and position are packed into one integer, so that plain numbers can be sorted, which is four
    times faster.

    Args:
        codes: (N,), integers of 0 or more.
        random: Generator that orders equal codes at random; None keeps them in their order.
    """
    positions = np.arange(len(codes), dtype=np.int64)
    low = len(codes).bit_length()
    free = 63 - low - int(codes.max(initial=0)).bit_length()
    if random is None:
        return np.sort((codes.astype(np.int64) << low) | positions) & ((1 << low) - 1)
    if free < ENOUGH:  # reached at about 2**43 rows x labels
        mixed = random.permutation(len(codes))
        return mixed[np.argsort(codes[mixed], kind="stable")]
    free = min(free, 32)
    keys = (codes.astype(np.int64) << free) | random.integers(0, 1 << free, len(codes))
    return np.sort((keys << low) | positions) & ((1 << low) - 1)


def rounds(random: np.random.Generator, count: int, size: int, batches: int) -> Iterator[np.ndarray]:
    """Groups of distinct numbers, drawn in shuffled rounds of all numbers from 0 to ``count`` - 1.

    Within a round each number is drawn once. A group that contains the end of a round and the beginning of the next has
    no number twice either.

    Args:
        random: Generator of the random order.
        count: How many numbers there are.
        size: How many numbers a group has, at most ``count``.
        batches: How many groups to draw.

    Yields:
        Blocks (n, size) with a group in each row, ``batches`` rows in all.
    """
    left = np.empty(0, dtype=np.int64)
    yielded = 0
    while yielded < batches:
        fresh = random.permutation(count)
        if len(left):
            # The rest of the last round comes first. The group that it begins is filled with numbers not in that rest.
            again = np.isin(fresh, left)
            lead = fresh[~again][: size - len(left)]
            rest = fresh[~np.isin(fresh, lead)]
            fresh = np.concatenate([left, lead, rest])
        whole = min(len(fresh) // size, batches - yielded)
        for start in range(0, whole, TOGETHER):
            yield fresh[: whole * size].reshape(whole, size)[start : start + TOGETHER]
        yielded += whole
        left = fresh[whole * size :]

"""Greedy choice of rows: each is the best at its time by the product of several objectives."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["Objective", "choose"]


class Objective(Protocol):
    """What makes rows worth choosing: values that may change as rows are chosen.

    Attributes:
        strength: The power that its values have in the product of all objectives.
    """

    strength: float

    def begin(self, vectors: np.ndarray) -> None:
        """Prepare for a choice among the vectors (N, D)."""

    def values(self) -> np.ndarray:
        """The current values (N,), from 0 to 1; -inf for rows that must not be chosen."""

    def chosen(self, row: int) -> None:
        """Take into account that a row, given by its number, was chosen."""


def choose(
    vectors: Rows, count: int, objectives: Sequence[Objective], *, start: Sequence[int] | np.ndarray = ()
) -> np.ndarray:
    """Choose rows that are worth labelling, keeping or looking at.

    At every step the row is chosen for which the product of the objectives' values, each to the power of its strength,
    is largest; of equal rows the first.

    Args:
        vectors: (N, D), finite.
        count: How many rows to choose, at least 1; fewer are chosen if the limits of the objectives allow no more.
        objectives: At least one of Diversity, Typicality, Scores, Likeness, Balance, or other objects with the methods
            of :class:`Objective`.
        start: Rows that are chosen already, such as labelled ones; they are not chosen again.

    Returns:
        The numbers of the chosen rows, at most ``count``, in the order in which they were chosen.

    Raises:
        BadInput: There is no objective, count is below 1, or a vector is not finite or above 1e15.
    """
    rows = as_rows(vectors, "vectors").float().cpu().numpy()
    if not objectives:
        raise BadInput("there is no objective; give at least one, such as Diversity()")
    if count < 1:
        raise BadInput(f"count is {count}; it must be at least 1")
    free = np.ones(len(rows), dtype=bool)
    for objective in objectives:
        objective.begin(rows)
    for row in start:
        free[row] = False
        for objective in objectives:
            objective.chosen(int(row))
    selected: list[int] = []
    while len(selected) < min(count, int(free.sum()) + len(selected)):
        worth = np.where(free, 0.0, -np.inf)  # the logarithm of the product
        with np.errstate(divide="ignore"):
            for objective in objectives:
                values = objective.values()
                forbidden = values == -np.inf
                logarithm = np.log(np.maximum(values, 1e-300)) * objective.strength
                worth = np.where(forbidden, -np.inf, worth + logarithm)
        row = int(worth.argmax())
        if worth[row] == -np.inf:
            break
        selected.append(row)
        free[row] = False
        for objective in objectives:
            objective.chosen(row)
    return np.array(selected, dtype=np.int64)

"""choose(): rows one at a time, each the best by the product of all objectives."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from omlzoo.errors import BadInput

__all__ = ["Objective", "choose"]


class Objective(Protocol):
    """Values of rows while some are chosen.

    Attributes:
        strength: The power that its values have in the product of all objectives.
    """

    strength: float

    def begin(self, vectors: np.ndarray) -> None:
        """Take the vectors (N, D)."""

    def values(self) -> np.ndarray:
        """(N,) from 0 to 1 as things stand; -inf for rows that must not be chosen."""

    def chosen(self, row: int) -> None:
        """That row was chosen."""


def choose(
    vectors: np.ndarray, count: int, objectives: Sequence[Objective], *, start: Sequence[int] | np.ndarray = ()
) -> np.ndarray:
    """Rows worth labelling, keeping or looking at, in the order they were chosen.

    At every step the row with the largest product of the objectives' values, each to the power of its strength, is
    taken; of equal ones the first.

    Args:
        vectors: (N, D).
        count: How many; fewer are given where the objectives' limits leave no more.
        objectives: Diversity, Typicality, Scores, Likeness, Balance, or anything with their methods.
        start: Rows that are chosen already, such as labelled ones; they are not given again.

    Returns:
        (at most count,) rows.

    Raises:
        BadInput: There is no objective, count is below 1, or a vector is not finite.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if not objectives:
        raise BadInput("there is no objective; give at least one, such as Diversity()")
    if count < 1:
        raise BadInput(f"count is {count}; it must be at least 1")
    if not np.isfinite(vectors).all():
        raise BadInput("some vectors hold NaN or infinity; leave those rows out")
    free = np.ones(len(vectors), dtype=bool)
    for objective in objectives:
        objective.begin(vectors)
    for row in start:
        free[row] = False
        for objective in objectives:
            objective.chosen(int(row))
    selected: list[int] = []
    while len(selected) < min(count, int(free.sum()) + len(selected)):
        worth = np.where(free, 0.0, -np.inf)  # logarithm of the product
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

"""Objectives of a greedy choice: values from 0 to 1 of each row, some of which change as rows are chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.codes import label_codes
from omlzoo.ops.nearest import nearest
from omlzoo.ops.rows import as_rows, conditioned
from omlzoo.ops.unit_rows import normalize

__all__ = ["Balance", "Diversity", "Likeness", "Scores", "Typicality"]

EQUAL = 1e-9  # share of the largest mean distance that stands for a mean distance of 0
LEAST = 1e-6  # the smallest value of Balance, so that it does not make the product of all objectives 0


@dataclass
class Diversity:
    """Prefers rows far from the chosen ones: the distance to the nearest chosen row, as a share of the largest.

    Alone it gives the greedy solution of the k-center problem (arXiv 1708.00489), in which the largest distance of a
    row to a chosen one is at most twice the smallest possible.

    Attributes:
        least: Rows nearer than this Euclidean distance to a chosen row are not chosen.
        strength: The power of its values in the product of all objectives.
    """

    least: float = 0.0
    strength: float = 1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Prepare for a choice among the vectors (N, D)."""
        self.vectors, self.factor, _ = conditioned(as_rows(vectors, "vectors").float())
        self.apart = torch.full((len(vectors),), torch.inf)

    def values(self) -> np.ndarray:
        """The current values (N,), from 0 to 1, or -inf; all are 1 before a row is chosen."""
        if torch.isinf(self.apart).all():
            return np.ones(len(self.apart))
        most = float(self.apart.max())
        shares = (self.apart / most if most > 0 else torch.zeros_like(self.apart)).double().numpy()
        return np.where(self.apart.numpy() < self.least * self.factor, -np.inf, shares)

    def chosen(self, row: int) -> None:
        """Take into account that a row, given by its number, was chosen."""
        torch.minimum(self.apart, (self.vectors - self.vectors[row]).norm(dim=1).float(), out=self.apart)


@dataclass
class Typicality:
    """Prefers rows in dense regions: 1 / mean distance to the k nearest rows, as a share of the largest.

    This is the typicality of arXiv 2202.02794.

    Attributes:
        k: The number of nearest rows, at least 1; at most all other rows are used.
        strength: The power of its values in the product of all objectives.
    """

    k: int = 20
    strength: float = 1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Compute the typicality of the vectors (N, D).

        Raises:
            BadInput: ``k`` is below 1, or there are fewer than two vectors.
        """
        rows = as_rows(vectors, "vectors").float()
        k = min(self.k, len(rows) - 1)
        if k < 1:
            raise BadInput(f"typicality needs k of at least 1 and two rows; k is {self.k} and there are {len(rows)}")
        scores, _ = nearest(rows, rows, k, similarity="euclidean", own=torch.arange(len(rows)))
        apart = -scores.double().mean(dim=1).numpy()
        least = max(float(apart.min()), EQUAL * float(apart.max()))
        self.shares = np.asarray(least / np.maximum(apart, least)) if least > 0 else np.ones(len(rows))

    def values(self) -> np.ndarray:
        """The current values (N,), from 0 to 1."""
        return self.shares

    def chosen(self, row: int) -> None:
        """Do nothing, as the values do not depend on what is chosen."""


@dataclass
class Scores:
    """Prefers rows with large given scores, such as a model's uncertainty, as a share of the largest.

    Attributes:
        given: (N,), the scores, 0 or more.
        strength: The power of its values in the product of all objectives.
        least: Rows with a smaller score are not chosen.
    """

    given: Sequence[float] | np.ndarray
    strength: float = 1.0
    least: float = 0.0

    def begin(self, vectors: np.ndarray) -> None:
        """Prepare for a choice among the vectors (N, D), of which only the number is used.

        Raises:
            BadInput: The scores are not one number of 0 or more for each vector.
        """
        scores = np.asarray(self.given, dtype=np.float64)
        if scores.shape != (len(vectors),) or not ((scores >= 0) & np.isfinite(scores)).all():
            raise BadInput(
                f"scores have the shape {scores.shape}; they must be ({len(vectors)},), finite numbers of at least 0"
            )
        self.shares = np.where(scores < self.least, -np.inf, scores / max(scores.max(initial=0), 1e-300))

    def values(self) -> np.ndarray:
        """The current values (N,), from 0 to 1; -inf for rows that must not be chosen."""
        return self.shares

    def chosen(self, row: int) -> None:
        """Do nothing, as the values do not depend on what is chosen."""


@dataclass
class Likeness:
    """Prefers rows similar to one of some examples: (1 + the largest cosine to an example) / 2.

    Attributes:
        examples: (Q, D), the vectors of the examples.
        strength: The power of its values in the product of all objectives.
        least: Rows whose largest cosine is below this are not chosen.
    """

    examples: np.ndarray
    strength: float = 1.0
    least: float = -1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Prepare for a choice among the vectors (N, D)."""
        sides = [
            normalize(as_rows(side, name).float()) for side, name in ((vectors, "vectors"), (self.examples, "examples"))
        ]
        cosines = nearest(sides[0], sides[1], 1, similarity="cosine")[0][:, 0].double().numpy().clip(-1, 1)
        self.shares = np.where(cosines < self.least, -np.inf, (1 + cosines) / 2)

    def values(self) -> np.ndarray:
        """The current values (N,), from 0 to 1; -inf for rows that must not be chosen."""
        return self.shares

    def chosen(self, row: int) -> None:
        """Do nothing, as the values do not depend on what is chosen."""


@dataclass
class Balance:
    """Prefers rows of kinds of which too few are chosen: the part of a kind's target that is still missing.

    Attributes:
        kinds: (N,), the kind of each row, such as a column of the table.
        count: How many rows will be chosen in all.
        target: The share that each kind should have among the chosen rows, 0 or more; shares are divided by their sum.
            Kinds that it does not name have the share 0. None gives all kinds the same share.
        strength: The power of its values in the product of all objectives.
    """

    kinds: Sequence[Any] | np.ndarray
    count: int
    target: Mapping[Any, float] | None = None
    strength: float = 1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Prepare for a choice among the vectors (N, D), of which only the number is used.

        Raises:
            BadInput: There is not one kind for each vector, or no kind has a share above 0.
        """
        self.codes, self.names = label_codes(self.kinds, "kinds", count=len(vectors))
        shares = self.target or dict.fromkeys(self.names, 1.0)
        weights = np.array([float(shares.get(name, 0.0)) for name in self.names])
        if not (np.isfinite(weights).all() and weights.min(initial=0) >= 0):
            raise BadInput(f"target is {self.target}; its shares are finite numbers of 0 or more")
        if weights.sum() <= 0:
            raise BadInput(f"none of the kinds {self.names[:5]} has a share in target; give one above 0")
        self.wanted = weights / weights.sum() * self.count
        self.have = np.zeros(len(self.names))

    def values(self) -> np.ndarray:
        """The current values (N,), from 0 to 1."""
        open_ = np.maximum(self.wanted - self.have, 0) / np.maximum(self.wanted, LEAST)
        return np.asarray(np.maximum(open_, LEAST)[self.codes])

    def chosen(self, row: int) -> None:
        """Take into account that a row, given by its number, was chosen."""
        self.have[self.codes[row]] += 1

"""What makes a row worth choosing: numbers from 0 to 1 for each, some of which change as rows are chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest

__all__ = ["Balance", "Diversity", "Likeness", "Scores", "Typicality"]

LEAST = 1e-6  # so that one objective without a wish does not silence the others


@dataclass
class Diversity:
    """Far from what is chosen: the distance to the nearest chosen row, as a share of the farthest row's.

    Alone it is the greedy solution of k-center (arXiv 1708.00489), whose rows are never farther from a chosen one than
    twice the best possible.

    Attributes:
        least: Rows nearer than that to a chosen one are not chosen any more.
        strength: The power of its values.
    """

    least: float = 0.0
    strength: float = 1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Take the vectors (N, D)."""
        self.vectors = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
        self.apart = torch.full((len(vectors),), torch.inf)

    def values(self) -> np.ndarray:
        """(N,) from 0 to 1; 1 for all while nothing is chosen."""
        if torch.isinf(self.apart).all():
            return np.ones(len(self.apart))
        most = float(self.apart.max())
        shares = (self.apart / most if most > 0 else torch.zeros_like(self.apart)).double().numpy()
        return np.where(self.apart.numpy() < self.least, -np.inf, shares)

    def chosen(self, row: int) -> None:
        """That row was chosen."""
        torch.minimum(self.apart, (self.vectors - self.vectors[row]).norm(dim=1), out=self.apart)


@dataclass
class Typicality:
    """Where many are: one over the mean distance to the k nearest rows (arXiv 2202.02794), as a share of the largest.

    Attributes:
        k: Neighbours.
        strength: The power of its values.
    """

    k: int = 20
    strength: float = 1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Take the vectors (N, D)."""
        rows = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
        k = min(self.k, len(rows) - 1)
        if k < 1:
            raise BadInput(f"typicality needs k of at least 1 and two rows; k is {self.k} and there are {len(rows)}")
        scores, _ = nearest(rows, rows, k, similarity="euclidean", own=torch.arange(len(rows)))
        density = 1 / np.maximum(-scores.double().mean(dim=1).numpy(), 1e-9)
        self.shares = np.asarray(density / density.max())

    def values(self) -> np.ndarray:
        """(N,) from 0 to 1."""
        return self.shares

    def chosen(self, row: int) -> None:
        """Nothing changes."""


@dataclass
class Scores:
    """Numbers of one's own, such as a model's uncertainty, as a share of the largest.

    Attributes:
        given: (N,) at least 0.
        strength: The power of its values.
        least: Rows with less are not chosen.
    """

    given: Sequence[float] | np.ndarray
    strength: float = 1.0
    least: float = 0.0

    def begin(self, vectors: np.ndarray) -> None:
        """Take the vectors (N, D)."""
        scores = np.asarray(self.given, dtype=np.float64)
        if scores.shape != (len(vectors),) or not (scores >= 0).all():
            raise BadInput(
                f"scores have the shape {scores.shape}; they must be ({len(vectors)},), numbers of at least 0"
            )
        self.shares = np.where(scores < self.least, -np.inf, scores / max(scores.max(initial=0), 1e-300))

    def values(self) -> np.ndarray:
        """(N,) from 0 to 1."""
        return self.shares

    def chosen(self, row: int) -> None:
        """Nothing changes."""


@dataclass
class Likeness:
    """Like given examples: (1 + the largest cosine with one of them) / 2.

    Attributes:
        examples: (Q, D) vectors.
        strength: The power of its values.
        least: Rows whose largest cosine is below that are not chosen.
    """

    examples: np.ndarray
    strength: float = 1.0
    least: float = -1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Take the vectors (N, D)."""
        sides = [torch.nn.functional.normalize(torch.from_numpy(np.asarray(side, dtype=np.float32)))
                 for side in (vectors, self.examples)]  # fmt: skip
        cosines = nearest(sides[0], sides[1], 1, similarity="cosine")[0][:, 0].double().numpy().clip(-1, 1)
        self.shares = np.where(cosines < self.least, -np.inf, (1 + cosines) / 2)

    def values(self) -> np.ndarray:
        """(N,) from 0 to 1."""
        return self.shares

    def chosen(self, row: int) -> None:
        """Nothing changes."""


@dataclass
class Balance:
    """Of kinds that are still missing: how much of a kind's share of the choice is open.

    Attributes:
        kinds: (N,) of each row, such as a column of the table.
        count: How many rows will be chosen in all.
        target: Share of each kind; the same for all by default. Kinds without one are not wished for.
        strength: The power of its values.
    """

    kinds: Sequence[Any] | np.ndarray
    count: int
    target: Mapping[Any, float] | None = None
    strength: float = 1.0

    def begin(self, vectors: np.ndarray) -> None:
        """Take the vectors (N, D)."""
        kinds = np.asarray(self.kinds)
        if kinds.shape != (len(vectors),):
            raise BadInput(f"kinds have the shape {kinds.shape}; it must be ({len(vectors)},)")
        self.names, self.codes = np.unique(kinds, return_inverse=True)
        shares = self.target or dict.fromkeys(self.names.tolist(), 1.0)
        weights = np.array([float(shares.get(name, 0.0)) for name in self.names.tolist()])
        if weights.sum() <= 0:
            raise BadInput(f"none of the kinds {self.names[:5].tolist()} has a share in target; give one above 0")
        self.wanted = weights / weights.sum() * self.count
        self.have = np.zeros(len(self.names))

    def values(self) -> np.ndarray:
        """(N,) from 0 to 1."""
        open_ = np.maximum(self.wanted - self.have, 0) / np.maximum(self.wanted, LEAST)
        return np.asarray(np.maximum(open_, LEAST)[self.codes])

    def chosen(self, row: int) -> None:
        """That row was chosen."""
        self.have[self.codes[row]] += 1

"""Vectors with room behind them, so that an addition copies what is new and not what is there."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Growing"]

LEAST = 1024  # rows for which there is room
SHARE = 8  # and one for so many that there are


@dataclass
class Growing:
    """Memory for vectors, the first of which are in use. Nobody changes those.

    Attributes:
        buffer: (C, dim) float32.
        used: How many are in use.
    """

    buffer: np.ndarray
    used: int

    @staticmethod
    def room_for(vectors: np.ndarray, more: int) -> "Growing":
        """A copy of vectors with room for more.

        Args:
            vectors: (N, dim) float32.
            more: Rows that will be added; there is room for some beyond.
        """
        count = len(vectors)
        room = more + max(LEAST, (count + more) // SHARE)
        buffer = np.empty((count + room, vectors.shape[1]), dtype=np.float32)
        buffer[:count] = vectors
        return Growing(buffer, count)

    def fits(self, count: int, more: int) -> bool:
        """Whether rows may be written behind others: nobody else did, and there is room.

        Args:
            count: The rows that they follow.
            more: Number of the rows.
        """
        return self.used == count and count + more <= len(self.buffer)

    def extended(self, new: np.ndarray) -> np.ndarray:
        """All vectors that are in use, and behind them new ones (M, dim), in use only after :meth:`keep`."""
        end = self.used + len(new)
        self.buffer[self.used : end] = new
        return self.buffer[:end]

    def keep(self, count: int) -> None:
        """So many are in use now."""
        self.used = count

"""The methods that every backend of an index has. Another package may add backends."""

from pathlib import Path
from typing import Protocol

import numpy as np

__all__ = ["Backend"]


class Backend(Protocol):
    """Rows that can be searched. The functions of ``omlzoo.index.backends`` return one.

    An index adds to and removes from a shallow copy, while others search the original: ``add`` and ``remove`` bind
    attributes anew and change none of their values. What they raise leaves the index as it was.

    Attributes:
        approximate: Whether a search may miss rows; their scores are exact all the same.
    """

    approximate: bool

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Search these rows too.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """

    def remove(self, rows: np.ndarray) -> None:
        """Forget these rows (M,)."""

    def search(
        self, queries: np.ndarray, k: int, own: np.ndarray | None = None, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, k) float32, higher is nearer, and rows (Q, k); -inf and -1 where fewer than k are left.

        Args:
            queries: (Q, dim).
            k: At most the number of rows.
            own: (Q,) the row of a query, which is left out; -1 where it is not here.
            allowed: (N,) bool, the rows that may be found; all by default.
        """

    def save(self, folder: Path) -> None:
        """Write what :meth:`restore` needs into the folder of the index."""

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Take the rows (M,) of ``vectors`` (N, dim) up again, as :meth:`save` left them.

        Raises:
            BadInput: What was kept is damaged, or of other rows.
        """

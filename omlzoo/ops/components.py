"""Connected components of a graph, from arrays of its edges."""

import numpy as np

__all__ = ["components"]


def components(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The smallest row (count,) that each row is connected with by a chain of edges, itself where there is none.

    Args:
        count: Number of rows.
        left: (E,) one end of each edge.
        right: (E,) the other end.
    """
    roots = np.arange(count)
    while len(left):
        ends = roots[left], roots[right]
        apart = ends[0] != ends[1]
        left, right, ends = left[apart], right[apart], (ends[0][apart], ends[1][apart])
        np.minimum.at(roots, ends[0], ends[1])
        np.minimum.at(roots, ends[1], ends[0])
        while not np.array_equal(further := roots[roots], roots):
            roots = further
    return roots

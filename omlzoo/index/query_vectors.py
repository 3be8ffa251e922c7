"""Vectors as queries: of any kind and number, with the reasons why some cannot be compared."""

from functools import lru_cache
from numbers import Number

import numpy as np
import pandas as pd

from omlzoo.embedding.embeddings import ERROR
from omlzoo.ops.arrays import LARGEST, as_array
from omlzoo.ops.codes import is_tensor
from omlzoo.ops.directions import directions

__all__ = ["FEW", "are_vectors", "as_query_array", "comparable", "numbered"]

FEW = 64  # vectors whose table is kept


def comparable(vectors: np.ndarray, normalized: bool) -> tuple[np.ndarray, list[str]]:
    """Vectors (Q, D) as float32, with L2 norm 1 where the index's have it; and why each cannot be compared, or "".

    Args:
        vectors: (Q, D) of any float type.
        normalized: Whether those of the index have an L2 norm of 1.
    """
    largest = np.abs(vectors).max(axis=1, initial=0)
    if normalized:
        vectors, right = directions(vectors, unless=1e-6), (largest > 0) & (largest < np.inf)
    else:
        right = largest <= LARGEST
    faults = [""] * len(vectors)
    for number in np.flatnonzero(~right):
        value = float(largest[number])
        if not np.isfinite(value):
            faults[number] = "the vector holds NaN or infinity"
        elif value == 0:
            faults[number] = "the vector is all zeros, which has no direction"
        else:
            faults[number] = f"the vector holds a number of {value:.3g}; distances need numbers of at most {LARGEST:g}"
    with np.errstate(over="ignore"):  # those rows have a fault
        return vectors.astype(np.float32, copy=False), faults


def as_query_array(vectors: object) -> np.ndarray:
    """Vectors (Q, D) of any kind; torch is asked where some are its tensors."""
    first = vectors[0] if isinstance(vectors, list | tuple) and vectors else vectors
    if not is_tensor(first):
        return as_array(vectors, "vectors")
    from omlzoo.ops.rows import as_numbers

    return np.asarray(as_numbers(vectors, "vectors").cpu().numpy())  # type: ignore[arg-type]


def are_vectors(queries: object) -> bool:
    """Whether the queries are vectors, one or several, and not pictures or texts. An array of pictures has three or
    four dimensions, one of vectors two."""
    if hasattr(queries, "toarray"):  # a sparse matrix, which is refused as one
        return True
    if is_tensor(queries) or isinstance(queries, np.ndarray | memoryview):
        return not _are_pixels(queries)
    first = queries[0] if isinstance(queries, list | tuple) and queries else None
    if is_tensor(first) or isinstance(first, np.ndarray | memoryview):
        return not _are_pixels(first, 3)
    return isinstance(first, list | tuple | Number)


def _are_pixels(array: object, *dimensions: int) -> bool:
    """Whether an array is meant as pictures, (H, W, 3) or (N, H, W, 3), be their type right or not."""
    shape = tuple(getattr(array, "shape", ()))
    if len(shape) not in (dimensions or (3, 4)):
        return False
    return len(shape) == 4 or shape[-1] == 3 or (shape[-3] == 3 and shape[-1] > 1)  # a column of vectors is no picture


@lru_cache(FEW)
def numbered(count: int) -> pd.DataFrame:
    """A table for vectors without one; to make it takes longer than to search for a few."""
    names = pd.Series([f"vector {i}" for i in range(count)], dtype="str")
    return pd.DataFrame({"path": names, ERROR: pd.Series([""] * count, dtype="str")})

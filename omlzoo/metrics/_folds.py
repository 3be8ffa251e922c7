"""Parts of rows of which some are fitted and others asked: pictures and bursts stay whole, labels are spread."""

import numpy as np

__all__ = ["deal", "join_groups"]


def deal(codes: np.ndarray, groups: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """The part (N,) of each row, from 0 to ``parts`` - 1.

    Groups are sorted by label, those of a label in random order, and dealt in turn. So parts differ by one group at
    most, and a label with two groups or more is in two parts or more.

    Args:
        codes: (N,) int, labels; a group has that of its first row.
        groups: (N,) int; rows of a group come into the same part.
        parts: How many, at least 1.
        seed: Of the order within a label.
    """
    _, first, of_row = np.unique(groups, return_index=True, return_inverse=True)
    chance = np.random.default_rng(seed).permutation(len(first))
    order = np.lexsort([chance, codes[first]])
    part = np.empty(len(first), dtype=np.int64)
    part[order] = np.arange(len(first)) % parts
    return np.asarray(part[of_row])


def join_groups(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Groups (N,) in which rows are together that are so in one of two groupings, directly or through other rows.

    Args:
        groups: (N,) int, from 0.
        others: (N,) int, from 0; -1 for a row that is in none.
    """
    joined, within = groups.copy(), others >= 0
    while True:
        least = np.full(int(others.max(initial=-1)) + 1, len(joined))
        np.minimum.at(least, others[within], joined[within])
        after = joined.copy()
        after[within] = least[others[within]]
        least = np.full(int(groups.max(initial=-1)) + 1, len(joined))
        np.minimum.at(least, groups, after)
        after = least[groups]
        if np.array_equal(after, joined):
            return joined
        joined = after

"""Small groups of rows that lie near each other, from trees of random splits: a graph of neighbours without all pairs.

Each tree halves the rows at the median of a random direction, and each half again, until few are left: a leaf. Rows
that are near each other share the leaf of most trees. The time grows as rows x log(rows).
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

__all__ = ["leaves", "neighbors_in_leaves"]

LEAF = 192  # rows of a leaf at most; at least half as many
SAMPLE = 256  # rows whose differences from the mean make a direction, so that it is one in which rows differ
NUMBERS = 1 << 22  # distances that are computed at once, 16 MB


def leaves(rows: Tensor, trees: int, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows of some leaves at a time, and the squared distances within each leaf.

    Args:
        rows: (N, D) float32, moved and scaled as by ``conditioned``.
        trees: How many trees; every row is in one leaf of each.
        seed: Of the directions.

    Returns:
        For each block of leaves the numbers of their rows (B, L), -1 where a leaf has fewer, and squared Euclidean
        distances (B, L, L) by products in float32, infinite for a row with itself and where there is none.
    """
    random = np.random.default_rng(seed)
    norms = torch.linalg.vector_norm(rows, dim=1).square()
    mean = rows.mean(dim=0)
    for _ in range(trees):
        members = torch.from_numpy(_tree(rows, mean, random))
        step = max(1, NUMBERS // members.shape[1] ** 2)
        for start in range(0, len(members), step):
            ids = members[start : start + step]
            there = ids >= 0
            part = rows[ids.clamp(min=0)]
            squares = torch.baddbmm(norms[ids.clamp(min=0)][:, None, :], part, part.transpose(1, 2), alpha=-2)
            squares.add_(norms[ids.clamp(min=0)][:, :, None]).clamp_(min=0)
            squares.masked_fill_(~(there[:, :, None] & there[:, None, :]), torch.inf)
            squares.diagonal(dim1=1, dim2=2).fill_(torch.inf)
            yield ids, squares


def _tree(rows: Tensor, mean: Tensor, random: np.random.Generator) -> np.ndarray:
    """The rows of each leaf (2^levels, L), -1 where a leaf has one less."""
    levels = max(0, int(np.ceil(np.log2(len(rows) / LEAF))))
    sample = torch.from_numpy(random.choice(len(rows), min(SAMPLE, len(rows)), replace=False))
    signs = torch.from_numpy(random.standard_normal((levels, len(sample))).astype(np.float32))
    along = (signs @ (rows[sample] - mean) @ rows.T).numpy()  # (levels, N)
    order = np.full(-(-len(rows) // 2**levels) * 2**levels, -1)
    order[: len(rows)] = random.permutation(len(rows))  # so that equal projections are not split by their numbers
    for level in range(levels):
        nodes = order.reshape(2**level, -1)
        keys = np.where(nodes >= 0, along[level][nodes], np.inf)
        order = np.take_along_axis(nodes, np.argpartition(keys, nodes.shape[1] // 2 - 1, axis=1), axis=1)
    return order.reshape(2**levels, -1)


def neighbors_in_leaves(rows: Tensor, k: int, trees: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The k nearest rows that share a leaf with each row.

    Args:
        rows: (N, D) float32, as in :func:`leaves`.
        k: How many.
        trees: As there.
        seed: As there.

    Returns:
        Squared distances (N, k) by products, the smallest first, infinite where there are fewer, and rows (N, k).
    """
    best = torch.full((len(rows), k), torch.inf)
    found = torch.full((len(rows), k), -1, dtype=torch.int32)
    for ids, squares in leaves(rows, trees, seed):
        count = min(k, squares.shape[2])
        near = squares.topk(count, dim=2, largest=False)
        at = ids[:, None, :].expand(squares.shape).gather(2, near.indices)
        mine = ids >= 0
        whose = ids[mine]
        others = torch.cat([found[whose], at[mine].int()], dim=1)
        values = torch.cat([best[whose], near.values[mine]], dim=1)
        others, order = others.sort(dim=1)
        values = values.gather(1, order)
        values[:, 1:].masked_fill_(others[:, 1:] == others[:, :-1], torch.inf)  # met in a tree before
        kept = values.topk(k, dim=1, largest=False)
        best[whose], found[whose] = kept.values, others.gather(1, kept.indices)
    return best, found.long()

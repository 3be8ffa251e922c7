"""Nearest neighbours of rows among themselves, with half of the products of an ordinary search.

Where the queries are the gallery, the matrix of inner products is symmetric. Only its tiles on and above the diagonal
are computed. The values of a tile that are better than the worst candidate of their row are merged into the candidates
of that row, and those better than the worst candidate of their column into the candidates of that column.
"""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["among_themselves", "best_of_each"]

TILE = 4096  # rows and columns of a tile, which takes 64 MB
CROWD = 4  # a tile with more than this many times the candidates that are needed is cheaper to merge by a plain top-k
NOBODY = -1  # the id of rows without a group


def among_themselves(
    queries: Tensor, gallery: Tensor, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
) -> bool:
    """Whether queries and gallery are the same rows and the pairs that are left out do not depend on their order.

    Args:
        queries: (Q, D), float.
        gallery: (G, D), float. The search is among the same rows only if it is the same memory as the queries.
        own: (Q,) position of each query in the gallery, which is left out; -1 where the query is not in the gallery.
            None leaves nothing out.
        groups: Group ids of the queries (Q,) and of the gallery (G,); pairs with the same id are left out. -1 belongs
            to no group. None leaves nothing out.
    """
    same = queries.data_ptr() == gallery.data_ptr() and queries.shape == gallery.shape
    if not same or queries.stride() != gallery.stride() or queries.device.type != "cpu":
        return False
    if own is not None and not torch.equal(own, torch.arange(len(own))):
        return False
    return groups is None or torch.equal(*groups)


def best_of_each(
    vectors: Tensor, halves: Tensor | None, count: int, own: bool, groups: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The rows with the ``count`` largest values for each row.

    Args:
        vectors: (N, D) float32, on the CPU.
        halves: (N,) half of each row's squared L2 norm: the value of two rows is then minus half of their squared
            Euclidean distance. None: the value is their inner product.
        count: How many rows to find, from 1 to N.
        own: Whether to leave out each row itself.
        groups: (N,) ids; rows with the same id are left out. -1 belongs to no group. None leaves nothing out.

    Returns:
        Values (N, count), the largest first, -inf where fewer rows are left, and the positions of the rows (N, count).
    """
    rows = len(vectors)
    values = torch.full((rows, count), -math.inf)
    positions = torch.zeros(rows, count, dtype=torch.int64)
    space = torch.empty(min(TILE, rows) ** 2)
    marks = torch.empty(len(space), dtype=torch.bool)
    starts = range(0, rows, TILE)
    # The tiles on the diagonal come first: they give every row candidates that few of the other products exceed.
    for i, j in [(i, i) for i in starts] + [(i, j) for i in starts for j in starts if i < j]:
        up, down = slice(i, min(i + TILE, rows)), slice(j, min(j + TILE, rows))
        product = space[: (up.stop - i) * (down.stop - j)].view(up.stop - i, down.stop - j)
        if halves is None:
            torch.mm(vectors[up], vectors[down].T, out=product)
        else:
            ones = torch.ones(len(product) + product.shape[1])
            left = _widened(vectors[up], halves[up], ones[: len(product)])
            torch.mm(left, _widened(vectors[down], -ones[len(product) :], -halves[down]).T, out=product)
        if own and i == j:
            product.fill_diagonal_(-math.inf)
        if groups is not None:
            same = (groups[up, None] == groups[None, down]) & (groups[up, None] != NOBODY)
            product.masked_fill_(same, -math.inf)
        _merge(product, marks, 1, values[up], positions[up], j)
        if i != j:
            _merge(product, marks, 0, values[down], positions[down], i)
    return values, positions


def _widened(vectors: Tensor, *columns: Tensor) -> Tensor:
    return torch.cat([vectors, *(column[:, None] for column in columns)], dim=1)


def _merge(product: Tensor, marks: Tensor, across: int, values: Tensor, places: Tensor, start: int) -> None:
    """Merge a tile into the best values and positions, in place.

    With ``across`` = 1 the values belong to the rows of the tile, with 0 to its columns. ``start`` is the position of
    the first row on its other side.
    """
    count, worst = values.shape[1], values[:, -1]
    above = marks[: product.numel()].view(product.shape)
    torch.gt(product, worst[:, None] if across else worst[None], out=above)
    if np.count_nonzero(above.numpy()) > CROWD * count * len(values):
        candidates, at = product.topk(min(count, product.shape[across]), dim=across)
        _keep(values, places, *((candidates, at + start) if across else (candidates.T, at.T + start)))
        return
    hits = _true(above)
    if not len(hits):
        return
    owner, column = hits // product.shape[1], hits % product.shape[1]
    candidates = product.flatten()[hits]
    if not across:
        owner, order = column.sort(stable=True)
        column, candidates = (hits // product.shape[1])[order], candidates[order]
    number = torch.bincount(owner, minlength=len(values))
    nth = torch.arange(len(owner)) - (number.cumsum(0) - number)[owner]
    wide = torch.full((len(values), int(number.max())), -math.inf)
    at = torch.zeros(wide.shape, dtype=torch.int64)
    wide[owner, nth], at[owner, nth] = candidates, column + start
    _keep(values, places, wide, at)


def _keep(values: Tensor, places: Tensor, found: Tensor, at: Tensor) -> None:
    best = torch.cat([values, found], dim=1).topk(values.shape[1], dim=1)
    places.copy_(torch.cat([places, at], dim=1).gather(1, best.indices))
    values.copy_(best.values)


def _true(mask: Tensor) -> Tensor:
    """Positions of the true values in the flattened mask; it is read eight at a time, because nearly all are false."""
    flat = mask.flatten()
    if len(flat) % 8:
        return flat.nonzero().flatten()
    eights = flat.view(torch.int64).nonzero().flatten()
    inside = flat.view(-1, 8)[eights].nonzero()
    return eights[inside[:, 0]] * 8 + inside[:, 1]

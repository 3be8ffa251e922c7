"""The best few of every row among the same rows: each product of two rows is computed once and serves both.

Half of the products of a search whose queries are its gallery are the other half mirrored. Tiles above the diagonal are
computed; what beats the worst of a row's, or of a column's, candidates is merged into them.
"""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["among_themselves", "best_of_each"]

TILE = 4096  # rows; the product of two tiles has 64 MB
CROWD = 4  # times the wanted number of candidates in one tile, above which a plain top-k is cheaper
NOBODY = -1


def among_themselves(
    queries: Tensor, gallery: Tensor, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
) -> bool:
    """Whether every row is searched for among the same rows, and what is left out is the same for both of a pair."""
    same = queries.data_ptr() == gallery.data_ptr() and queries.shape == gallery.shape
    if not same or queries.stride() != gallery.stride() or queries.device.type != "cpu":
        return False
    if own is not None and not torch.equal(own, torch.arange(len(own))):
        return False
    return groups is None or torch.equal(*groups)


def best_of_each(
    vectors: Tensor, halves: Tensor | None, count: int, own: bool, groups: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The ``count`` largest of each row's values with all rows.

    Args:
        vectors: (N, D) float32, on the CPU.
        halves: None: the value of x and y is their inner product. (N,) half the squared lengths: it is minus half
            the squared distance.
        count: At most N.
        own: Leave out the products of a row with itself.
        groups: (N,) ids; products within a group are left out. -1 belongs to no group.

    Returns:
        Values (N, count), largest first, -inf where fewer are left, and positions (N, count).
    """
    rows = len(vectors)
    values = torch.full((rows, count), -math.inf)
    places = torch.zeros(rows, count, dtype=torch.int64)
    space = torch.empty(min(TILE, rows) ** 2)
    marks = torch.empty(len(space), dtype=torch.bool)
    starts = range(0, rows, TILE)
    # The diagonal first: it gives every row candidates, and few of the other products beat them.
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
        _merge(product, marks, 1, values[up], places[up], j)
        if i != j:
            _merge(product, marks, 0, values[down], places[down], i)
    return values, places


def _widened(vectors: Tensor, *columns: Tensor) -> Tensor:
    return torch.cat([vectors, *(column[:, None] for column in columns)], dim=1)


def _merge(product: Tensor, marks: Tensor, across: int, values: Tensor, places: Tensor, start: int) -> None:
    """Put what is better into the best of each row (across = 1) or column (0); ``start`` is the first position."""
    count, worst = values.shape[1], values[:, -1]
    above = marks[: product.numel()].view(product.shape)
    torch.gt(product, worst[:, None] if across else worst[None], out=above)
    if np.count_nonzero(above.numpy()) > CROWD * count * len(values):
        found, at = product.topk(min(count, product.shape[across]), dim=across)
        _keep(values, places, *((found, at + start) if across else (found.T, at.T + start)))
        return
    hits = _true(above)
    if not len(hits):
        return
    owner, place = hits // product.shape[1], hits % product.shape[1]
    found = product.flatten()[hits]
    if not across:
        owner, order = place.sort(stable=True)
        place, found = (hits // product.shape[1])[order], found[order]
    number = torch.bincount(owner, minlength=len(values))
    nth = torch.arange(len(owner)) - (number.cumsum(0) - number)[owner]
    wide = torch.full((len(values), int(number.max())), -math.inf)
    at = torch.zeros(wide.shape, dtype=torch.int64)
    wide[owner, nth], at[owner, nth] = found, place + start
    _keep(values, places, wide, at)


def _keep(values: Tensor, places: Tensor, found: Tensor, at: Tensor) -> None:
    best = torch.cat([values, found], dim=1).topk(values.shape[1], dim=1)
    places.copy_(torch.cat([places, at], dim=1).gather(1, best.indices))
    values.copy_(best.values)


def _true(mask: Tensor) -> Tensor:
    """Positions in the flattened mask; eight at a time are looked at, as nearly all are false."""
    flat = mask.flatten()
    if len(flat) % 8:
        return flat.nonzero().flatten()
    eights = flat.view(torch.int64).nonzero().flatten()
    inside = flat.view(-1, 8)[eights].nonzero()
    return eights[inside[:, 0]] * 8 + inside[:, 1]

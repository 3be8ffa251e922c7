"""Exact nearest neighbours in blocks: never a whole queries x gallery matrix in memory.

A first pass over matrix products in float32 proposes candidates; their scores are then computed directly from the two
vectors, and rounding of the first pass is bounded, so the answer is that of the direct scores. Equal scores: the lower
position first.
"""

import math
import threading
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.symmetric import best_of_each

__all__ = ["Gallery", "Similarity", "nearest", "nearest_blocks", "scores_of"]

Similarity = Literal["cosine", "euclidean"]

QUERIES, GALLERY = 1024, 16384  # rows of a block; its product has 64 MB
SPARE = 8  # candidates beyond k
DIRECT = 1 << 20  # numbers that one step of direct scoring gathers; they stay in the cache
KEPT = 1 << 24  # candidates of all rows together that are kept at once; 200 MB
NOBODY = -1


def nearest(
    queries: Tensor,
    gallery: Tensor,
    k: int,
    *,
    similarity: Similarity,
    own: Tensor | None = None,
    groups: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The k nearest gallery rows of each query.

    Args:
        queries: (Q, D), float.
        gallery: (G, D), float.
        k: At most G are found.
        similarity: "cosine" of unit vectors (the inner product), or "euclidean": minus the distance.
        own: (Q,) position of a query in the gallery, which is left out; -1 where it is not there.
        groups: (Q,) and (G,) ids; gallery rows with the id of the query are left out. -1 belongs to no group.

    Returns:
        Scores (Q, k) float32, higher is nearer, and positions (Q, k) int64; -inf and -1 where fewer than k are left.
    """
    return Gallery(gallery, similarity).nearest(queries, k, own=own, groups=groups)


def nearest_blocks(
    queries: Tensor,
    gallery: Tensor,
    k: int,
    *,
    similarity: Similarity,
    own: Tensor | None = None,
    groups: tuple[Tensor, Tensor] | None = None,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """As :func:`nearest`, a block of queries at a time: (rows, scores, positions)."""
    return Gallery(gallery, similarity).blocks(queries, k, own=own, groups=groups)


def scores_of(queries: Tensor, rows: Tensor, similarity: Similarity) -> Tensor:
    """Direct scores (Q, C) of queries (Q, D) with their own rows (Q, C, D), float32."""
    if similarity == "cosine":
        return torch.einsum("qd,qcd->qc", queries, rows)
    return -rows.sub(queries[:, None]).square_().sum(dim=2).sqrt_()


def _check_finite(name: str, rows: Tensor) -> None:
    bad = ~torch.isfinite(rows).all(dim=1)
    if bad.any():
        raise BadInput(f"{name}: {int(bad.sum())} of {len(rows)} rows hold NaN or infinity, the first is row "
                       f"{int(bad.nonzero()[0])}; leave those rows out")  # fmt: skip


def _among_themselves(
    queries: Tensor, gallery: Tensor, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
) -> bool:
    """Whether every row is searched for among the same rows, and what is left out is the same for both of a pair."""
    same = queries.data_ptr() == gallery.data_ptr() and queries.shape == gallery.shape
    if not same or queries.stride() != gallery.stride() or queries.device.type != "cpu" or len(gallery) <= QUERIES:
        return False
    if own is not None and not torch.equal(own, torch.arange(len(own))):
        return False
    return groups is None or torch.equal(*groups)


class Gallery:
    """Rows (G, D), checked and prepared once for any number of searches; :func:`nearest` says what they give."""

    def __init__(self, gallery: Tensor, similarity: Similarity) -> None:
        if gallery.ndim != 2:
            raise BadInput(f"the gallery has the shape {tuple(gallery.shape)}; it must be (rows, dim)")
        _check_finite("gallery", gallery)
        gallery = gallery.detach().float()
        self.gallery = gallery
        self.similarity: Similarity = similarity
        # Distances do not change when everything is moved; around the mean the products round least.
        self.centre = gallery.mean(dim=0) if similarity == "euclidean" else torch.zeros_like(gallery[:1]).sum(dim=0)
        self.moved = gallery - self.centre if similarity == "euclidean" else gallery
        self.half_squares = self.moved.square().sum(dim=1) / 2  # (G,)
        longest = float(self.half_squares.max().mul(2).sqrt()) if len(gallery) else 0.0
        # A sum of D products is off by at most D units of 2^-24 of the two lengths; half a squared length likewise, and
        # of a product that serves both its rows two such numbers are added to it and one is taken off again.
        self.rounding = (gallery.shape[1] + 4) * 2**-24 * longest
        self.longest = longest if similarity == "euclidean" else 0.0
        self.space = threading.local()

    def nearest(
        self, queries: Tensor, k: int, *, own: Tensor | None = None, groups: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :func:`nearest`."""
        blocks = list(self.blocks(queries, k, own=own, groups=groups))
        width = min(k, len(self.gallery))
        if not blocks:
            return queries.new_empty(0, width, dtype=torch.float32), queries.new_empty(0, width, dtype=torch.int64)
        return torch.cat([scores for _, scores, _ in blocks]), torch.cat([ids for _, _, ids in blocks])

    def blocks(
        self, queries: Tensor, k: int, *, own: Tensor | None = None, groups: tuple[Tensor, Tensor] | None = None
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """As :func:`nearest_blocks`."""
        if queries.ndim != 2 or queries.shape[1] != self.gallery.shape[1]:
            shapes = f"{tuple(queries.shape)} and {tuple(self.gallery.shape)}"
            raise BadInput(f"queries and gallery have the shapes {shapes}; both must be (rows, the same dim)")
        if k < 1:
            raise BadInput(f"k is {k}; it must be at least 1")
        _check_finite("queries", queries)
        return self._blocks(queries.detach().float(), min(k, len(self.gallery)), own, groups)

    def _blocks(
        self, queries: Tensor, k: int, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        mirrored = self._mirrored(k, own, groups) if _among_themselves(queries, self.gallery, own, groups) else None
        for start in range(0, len(queries), QUERIES):
            block = slice(start, min(start + QUERIES, len(queries)))
            left_out = None if own is None else own[block]
            group = None if groups is None else (groups[0][block], groups[1])
            ready = None if mirrored is None else (mirrored[0][block], mirrored[1][block])
            with torch.autocast(queries.device.type, enabled=False):
                found = self._search(queries[block], k, left_out, group, ready=ready)
            yield block, *found

    def _search(
        self,
        queries: Tensor,
        k: int,
        own: Tensor | None,
        groups: tuple[Tensor, Tensor] | None,
        spare: int = SPARE,
        ready: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        count = self._count(k, spare)
        moved = queries - self.centre
        approximate, candidates = ready or self._propose(moved, count, own, groups)
        scores, ids = self._direct(queries, approximate, candidates, k)
        if count == len(self.gallery):
            return scores, ids
        # No other row is above the worst candidate; where the k-th score is not above that by the rounding, look wider.
        lengths = moved.norm(dim=1)
        limit = approximate[:, -1] + self.rounding * (lengths + self.longest)
        unsure = (limit >= self._as_proposed(scores[:, -1], lengths)) & (approximate[:, -1] > -math.inf)
        if unsure.any():
            mine = None if own is None else own[unsure]
            group = None if groups is None else (groups[0][unsure], groups[1])
            scores[unsure], ids[unsure] = self._search(queries[unsure], k, mine, group, spare=4 * (count - k))
        return scores, ids

    def _count(self, k: int, spare: int = SPARE) -> int:
        """Candidates that the first pass proposes."""
        return min(k + max(spare, k // 8), len(self.gallery))

    def _mirrored(
        self, k: int, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor] | None:
        """The candidates of every row of the gallery, from half of the products; None where they are too many."""
        count = self._count(k)
        if len(self.gallery) * count > KEPT:
            return None
        halves = None if self.similarity == "cosine" else self.half_squares
        values, places = best_of_each(self.moved, halves, count, own is not None, None if groups is None else groups[0])
        return (values if halves is None else values.add_(halves[:, None])), places

    def _propose(
        self, queries: Tensor, count: int, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """The best ``count`` by matrix products: values (Q, count) and positions."""
        best: tuple[Tensor, Tensor] | None = None
        step = max(GALLERY, QUERIES * GALLERY // max(1, len(queries)))  # of few queries the products are few
        for start in range(0, len(self.gallery), step):
            stop = min(start + step, len(self.gallery))
            product = self._product(queries, start, stop)
            if own is not None:
                inside = (own >= start) & (own < stop)
                product[inside.nonzero().flatten(), own[inside] - start] = -math.inf
            if groups is not None:
                same = (groups[0][:, None] == groups[1][None, start:stop]) & (groups[0][:, None] != NOBODY)
                product.masked_fill_(same, -math.inf)
            values, places = product.topk(min(count, stop - start), dim=1, sorted=False)
            found = (values, places + start)
            if best is not None:
                found = (torch.cat([best[0], found[0]], dim=1), torch.cat([best[1], found[1]], dim=1))
            keep = found[0].topk(min(count, found[0].shape[1]), dim=1)
            best = (keep.values, found[1].gather(1, keep.indices))
        if best is None:
            return queries.new_empty(len(queries), 0), queries.new_empty(len(queries), 0, dtype=torch.int64)
        return best

    def _product(self, queries: Tensor, start: int, stop: int) -> Tensor:
        """Inner products, for "euclidean" minus half the squared length of the gallery row: the same order."""
        rows = self.moved[start:stop]
        out = self._space(len(queries) * len(rows)).view(len(queries), len(rows))
        if self.similarity == "cosine":
            return torch.mm(queries, rows.T, out=out)
        return torch.addmm(self.half_squares[None, start:stop], queries, rows.T, beta=-1, out=out)

    def _space(self, size: int) -> Tensor:
        """Every product of a thread goes to the same place: new pages would cost a quarter of its time."""
        if size > len(getattr(self.space, "products", ())):
            self.space.products = self.gallery.new_empty(size)
        products: Tensor = self.space.products[:size]
        return products

    def _as_proposed(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Direct scores in the unit of the first pass."""
        return scores if self.similarity == "cosine" else (lengths.square() - scores.square()) / 2

    def _direct(self, queries: Tensor, approximate: Tensor, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Candidates by their direct scores, the first k of them."""
        candidates, order = candidates.sort(dim=1)
        allowed = approximate.gather(1, order) > -math.inf
        step = max(1, DIRECT // max(1, candidates.shape[1] * queries.shape[1]))
        parts = [
            scores_of(queries[i : i + step], self.gallery[candidates[i : i + step]], self.similarity)
            for i in range(0, len(queries), step)
        ]
        scores = torch.cat(parts).masked_fill_(~allowed, -math.inf)
        scores, order = scores.sort(dim=1, descending=True, stable=True)  # positions ascend: the lower one first
        ids = candidates.gather(1, order).masked_fill_(scores == -math.inf, NOBODY)
        return scores[:, :k], ids[:, :k]

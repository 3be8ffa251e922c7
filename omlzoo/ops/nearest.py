"""Exact nearest neighbours in blocks: never a whole queries x gallery matrix in memory.

A first pass over matrix products in float32 proposes candidates; their scores are then computed directly from the two
vectors, and rounding of the first pass is bounded, so the answer is that of the direct scores. Equal scores: the lower
position first. Where the processor can, a pass in bytes goes before it, whose error is bounded too.
"""

import math
import threading
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.ops.int8 import Int8Rows, multiplies_bytes
from omlzoo.ops.knn_graph import among_themselves, best_of_each
from omlzoo.ops.topk import largest

__all__ = ["NeighborSearch", "Similarity", "nearest", "nearest_blocks", "scores_of"]

Similarity = Literal["cosine", "euclidean"]

QUERIES, GALLERY = 1024, 16384  # rows of a block; its product has 64 MB
SPARE = 8  # candidates beyond k
DIRECT = 1 << 20  # numbers that one step of direct scoring gathers; they stay in the cache
KEPT = 1 << 24  # candidates of all rows together that are kept at once; 200 MB
NOBODY = -1
LEAST = torch.iinfo(torch.int32).min
LARGE = 8192  # rows of a gallery that is worth a pass in bytes
PAYS = 12  # times that the rows are read, after whose saving their bytes are worth making
ROUGH = 64  # queries of a block of bytes, and candidates at least
DOUBT = 0.25  # share of queries that bytes leave open, above which they are given up


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
    return NeighborSearch(gallery, similarity).nearest(queries, k, own=own, groups=groups)


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
    return NeighborSearch(gallery, similarity).blocks(queries, k, own=own, groups=groups)


def scores_of(queries: Tensor, rows: Tensor, similarity: Similarity) -> Tensor:
    """Direct scores (Q, C) of queries (Q, D) with their own rows (Q, C, D), float32."""
    if similarity == "cosine":
        return rows.mul(queries[:, None]).sum(dim=2)  # however many rows there are, each score has the same bits
    return -rows.sub(queries[:, None]).square_().sum(dim=2).sqrt_()


def _check_finite(name: str, rows: Tensor) -> None:
    bad = ~torch.isfinite(rows).all(dim=1)
    if bad.any():
        first, said = int(bad.nonzero()[0]), f"{int(bad.sum())} of {len(rows)} rows hold NaN or infinity"
        raise BadInput(f"{name}: {said}, the first is row {first}; leave those rows out")


def _of(
    own: Tensor | None, groups: tuple[Tensor, Tensor] | None, rows: slice | Tensor
) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
    """What is left out for some of the queries."""
    return None if own is None else own[rows], None if groups is None else (groups[0][rows], groups[1])


class NeighborSearch:
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
        able = gallery.device.type == "cpu" and len(gallery) >= LARGE and multiplies_bytes()
        self.bytes: Int8Rows | None = None  # made when they pay
        self.saved = 0.0 if able else -math.inf  # times that the rows need not have been read in float32
        self.asked = self.open = 0  # queries that bytes were looked at for, and those that they left open

    def nearest(
        self, queries: Tensor, k: int, *, own: Tensor | None = None, groups: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :func:`nearest`."""
        blocks = list(self.blocks(queries, k, own=own, groups=groups))
        if not blocks:
            nothing = queries.new_empty(0, min(k, len(self.gallery)))
            return nothing.float(), nothing.long()
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
        mirrored = None
        if len(queries) > QUERIES and among_themselves(queries, self.gallery, own, groups):
            mirrored = self._mirrored(k, own, groups)
        for start in range(0, len(queries), QUERIES):
            block = slice(start, min(start + QUERIES, len(queries)))
            ready = None if mirrored is None else (mirrored[0][block], mirrored[1][block])
            with torch.autocast(queries.device.type, enabled=False):
                rough = self._bytes_for(len(queries[block])) if ready is None else None
                found = self._search(queries[block], k, *_of(own, groups, block), ready=ready, rough=rough)
            yield block, *found

    def _bytes_for(self, queries: int) -> Int8Rows | None:
        """The rows in bytes, once so much was asked that they pay; None where they do not."""
        self.saved += 0.5 + queries / 32
        if self.saved < PAYS or self.open > max(ROUGH, DOUBT * self.asked):
            return None
        self.asked += queries
        if self.bytes is None:
            self.bytes = Int8Rows(self.moved)
        return self.bytes

    def _search(
        self,
        queries: Tensor,
        k: int,
        own: Tensor | None,
        groups: tuple[Tensor, Tensor] | None,
        spare: int = SPARE,
        ready: tuple[Tensor, Tensor] | None = None,
        rough: Int8Rows | None = None,
    ) -> tuple[Tensor, Tensor]:
        count = self._count(k, spare if rough is None else max(ROUGH, k))
        moved = queries - self.centre
        approximate, candidates = ready or self._propose(moved, count, own, groups, rough)
        scores, ids = self._direct(queries, approximate, candidates, k)
        if count == len(self.gallery):
            return scores, ids
        # No other row is above the worst candidate; where the k-th score is not above that by the rounding, look wider.
        lengths = moved.norm(dim=1)
        limit = approximate[:, -1] + self.rounding * (lengths + self.longest)
        if self.similarity == "euclidean":  # a query far away: its own square is rounded in turning a score around
            limit += (moved.shape[1] + 4) * 2**-24 * lengths.square()
        if rough is not None:
            limit = limit + rough.margin(moved)
        unsure = (limit >= self._as_proposed(scores[:, -1], lengths)) & (approximate[:, -1] > -math.inf)
        if unsure.any():
            wider = 4 * (count - k) if rough is None else SPARE
            self.open += 0 if rough is None else int(unsure.sum())
            scores[unsure], ids[unsure] = self._search(queries[unsure], k, *_of(own, groups, unsure), spare=wider)
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
        self,
        queries: Tensor,
        count: int,
        own: Tensor | None,
        groups: tuple[Tensor, Tensor] | None,
        rough: Int8Rows | None,
    ) -> tuple[Tensor, Tensor]:
        """The best ``count`` by matrix products: values (Q, count) and positions."""
        if rough is not None and len(queries) > ROUGH:  # more at once would not stay in the cache
            blocks = [slice(start, start + ROUGH) for start in range(0, len(queries), ROUGH)]
            parts = [self._propose(queries[rows], count, *_of(own, groups, rows), rough) for rows in blocks]
            return torch.cat([values for values, _ in parts]), torch.cat([places for _, places in parts])
        asked = None if rough is None else rough.of(queries)
        best: tuple[Tensor, Tensor] | None = None
        most = QUERIES * GALLERY // (1 if rough is None else 2)  # numbers that a thread keeps room for
        step = max(GALLERY, most // max(1, len(queries)))  # of few queries the products are few
        for start in range(0, len(self.gallery), step):
            stop = min(start + step, len(self.gallery))
            if rough is None or asked is None:
                product = self._product(queries, start, stop)
            else:
                product = self._roughly(rough, asked, start, stop)
            never = -math.inf if product.is_floating_point() else LEAST
            if own is not None:
                inside = (own >= start) & (own < stop)
                product[inside.nonzero().flatten(), own[inside] - start] = never
            if groups is not None:
                same = (groups[0][:, None] == groups[1][None, start:stop]) & (groups[0][:, None] != NOBODY)
                product.masked_fill_(same, never)
            values, places = largest(product, min(count, stop - start))
            if asked is not None and rough is not None and not values.is_floating_point():
                values = (values * (asked[1] * rough.scale)).masked_fill_(values == LEAST, -math.inf)
            found = (values, places + start)
            if best is not None:
                found = torch.cat([best[0], found[0]], dim=1), torch.cat([best[1], found[1]], dim=1)
            keep = found[0].topk(min(count, found[0].shape[1]), dim=1)
            best = (keep.values, found[1].gather(1, keep.indices))
        empty = queries.new_empty(len(queries), 0)
        return best or (empty, empty.long())

    def _product(self, queries: Tensor, start: int, stop: int) -> Tensor:
        """Inner products, for "euclidean" minus half the squared length of the gallery row: the same order."""
        rows = self.moved[start:stop]
        out = self._space(len(queries) * len(rows)).view(len(queries), len(rows))
        if self.similarity == "cosine":
            return torch.mm(queries, rows.T, out=out)
        return torch.addmm(self.half_squares[None, start:stop], queries, rows.T, beta=-1, out=out)

    def _roughly(self, rough: Int8Rows, queries: tuple[Tensor, Tensor], start: int, stop: int) -> Tensor:
        """About what :meth:`_product` gives: for "cosine" int32, still to be scaled."""
        shape = len(queries[0]), stop - start
        size = shape[0] * shape[1]
        whole = rough.products(queries[0], start, stop, self._space(size, torch.int32).view(shape))
        if self.similarity == "cosine":
            return whole
        found = torch.mul(whole, queries[1] * rough.scale, out=self._space(size).view(shape))
        return found.sub_(self.half_squares[start:stop])

    def _space(self, size: int, kind: torch.dtype = torch.float32) -> Tensor:
        """Every product of a thread goes to the same place: new pages would cost a quarter of its time."""
        name = str(kind)
        if size > len(getattr(self.space, name, ())):
            setattr(self.space, name, torch.empty(size, dtype=kind, device=self.gallery.device))
        products: Tensor = getattr(self.space, name)[:size]
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

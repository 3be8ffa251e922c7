"""Exact nearest neighbours in blocks, without a whole queries x gallery matrix in memory.

A first pass of matrix products in float32, or in int8 where the processor has it, proposes candidates. Their scores are
then computed directly from the two vectors. The rounding error of the first pass is bounded, so that the result is that
of the direct scores. Of equal scores the lower position comes first.
"""

import copy
import math
import threading
from collections.abc import Iterator

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.ops import int8
from omlzoo.ops.direct_scores import NOBODY, best_candidates, some_queries
from omlzoo.ops.int8 import Int8Pass, Int8Rows, multiplies_bytes
from omlzoo.ops.knn_graph import among_themselves, best_of_each
from omlzoo.ops.rows import check_rows, half_squares
from omlzoo.ops.similarity import Similarity
from omlzoo.ops.topk import largest

__all__ = ["NeighborSearch", "nearest", "nearest_blocks"]

QUERIES, GALLERY = 1024, 16384  # rows of a block; its product takes 64 MB
SPARE = 8  # candidates that are proposed beyond k
KEPT = 1 << 24  # candidates of all rows together that are kept at once, 200 MB
LEAST = torch.iinfo(torch.int32).min  # stands for minus infinity in int32
LARGE = 8192  # rows from which on a gallery is searched in int8


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
        queries: (Q, D), float, finite.
        gallery: (G, D), float, finite, no number above 1e15.
        k: How many rows to find for each query, at least 1; at most G are found.
        similarity: The score. "cosine" is the inner product, which is the cosine of vectors with L2 norm 1;
            "euclidean" is minus the Euclidean distance.
        own: (Q,) position of each query in the gallery, which is left out; -1 where the query is not in it.
        groups: Group ids of the queries (Q,) and of the gallery (G,); gallery rows with the id of the query are left
            out. -1 belongs to no group.

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
    """As :func:`nearest`, one block of queries at a time, so that the results need not be in memory together.

    Args:
        queries: (Q, D), float, finite.
        gallery: (G, D), float, finite, no number above 1e15.
        k: How many rows to find for each query, at least 1; at most G are found.
        similarity: "cosine" or "euclidean", as in :func:`nearest`.
        own: (Q,) position of each query in the gallery, which is left out; -1 where the query is not in it.
        groups: Group ids of the queries (Q,) and of the gallery (G,); gallery rows with the id of the query are left
            out. -1 belongs to no group.

    Returns:
        For each block the slice of its queries, their scores (B, k) and positions (B, k).
    """
    return NeighborSearch(gallery, similarity).blocks(queries, k, own=own, groups=groups)


class NeighborSearch:
    """A gallery that is checked and prepared once, for any number of searches; see :func:`nearest`.

    Args:
        gallery: (G, D), float, finite, no number above 1e15.
        similarity: "cosine" or "euclidean", as in :func:`nearest`.
    """

    def __init__(self, gallery: Tensor, similarity: Similarity) -> None:
        if gallery.ndim != 2:
            raise BadInput(f"the gallery has the shape {tuple(gallery.shape)}; it must be (rows, dim)")
        check_rows("gallery", gallery)
        gallery = gallery.detach().float()
        self.gallery = gallery
        self.similarity: Similarity = similarity
        # Distances do not change when all vectors are moved; around the mean the rounding errors are smallest.
        self.centre = gallery.mean(dim=0) if similarity == "euclidean" else torch.zeros_like(gallery[:1]).sum(dim=0)
        self.moved = gallery - self.centre if similarity == "euclidean" else gallery
        self.half_squares = half_squares(self.moved)  # (G,)
        longest = float(self.half_squares.max().mul(2).sqrt()) if len(gallery) else 0.0
        # The rounding error of an inner product, and of half a squared norm, is at most D x 2^-24 x the two L2 norms.
        # Where a product serves both of its rows, two such numbers are added and one is subtracted again.
        self.rounding = (gallery.shape[1] + 4) * 2**-24 * longest
        self.lost = 2 * (gallery.shape[1] + 4) * torch.finfo(torch.float32).tiny  # of products too small for float32
        self.longest = longest if similarity == "euclidean" else 0.0
        self.space = threading.local()
        able = gallery.device.type == "cpu" and len(gallery) >= LARGE and multiplies_bytes()
        self.int8 = Int8Pass(able)
        self.hidden: Tensor | None = None

    def hiding(self, positions: Tensor) -> "NeighborSearch":
        """The same gallery without rows: their positions (H,), ascending, or where they are many a mask (G,) bool."""
        other = copy.copy(self)
        other.hidden = positions if len(positions) else None
        return other

    def nearest(
        self, queries: Tensor, k: int, *, own: Tensor | None = None, groups: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The k nearest gallery rows of each query, as :func:`nearest` returns them.

        Args:
            queries: (Q, D), float, finite.
            k: How many rows to find for each query, at least 1; at most G are found.
            own: (Q,) position of each query in the gallery, which is left out; -1 where the query is not in it.
            groups: Group ids of the queries (Q,) and of the gallery (G,); gallery rows with the id of the query are
                left out. -1 belongs to no group.
        """
        blocks = list(self.blocks(queries, k, own=own, groups=groups))
        if not blocks:
            return (nothing := queries.new_empty(0, min(k, len(self.gallery))).float()), nothing.long()
        return torch.cat([scores for _, scores, _ in blocks]), torch.cat([ids for _, _, ids in blocks])

    def blocks(
        self, queries: Tensor, k: int, *, own: Tensor | None = None, groups: tuple[Tensor, Tensor] | None = None
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """As :meth:`nearest`, one block of queries at a time, as :func:`nearest_blocks` returns them.

        Args:
            queries: (Q, D), float, finite.
            k: How many rows to find for each query, at least 1; at most G are found.
            own: (Q,) position of each query in the gallery, which is left out; -1 where the query is not in it.
            groups: Group ids of the queries (Q,) and of the gallery (G,); gallery rows with the id of the query are
                left out. -1 belongs to no group.

        Raises:
            BadInput: The queries have another dimension than the gallery, k is below 1, or a number is not finite or
                above 1e15.
        """
        if queries.ndim != 2 or queries.shape[1] != self.gallery.shape[1]:
            shapes = f"{tuple(queries.shape)} and {tuple(self.gallery.shape)}"
            raise BadInput(f"queries and gallery have the shapes {shapes}; both must be (rows, the same dim)")
        if k < 1:
            raise BadInput(f"k is {k}; it must be at least 1")
        check_rows("queries", queries)
        return self._blocks(queries.detach().float(), min(k, len(self.gallery)), own, groups)

    def _blocks(
        self, queries: Tensor, k: int, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        mirrored = None
        if self.hidden is None and len(queries) > QUERIES and among_themselves(queries, self.gallery, own, groups):
            mirrored = self._mirrored(k, own, groups)
        for start in range(0, len(queries), QUERIES):
            block = slice(start, min(start + QUERIES, len(queries)))
            ready = None if mirrored is None else (mirrored[0][block], mirrored[1][block])
            with torch.autocast(queries.device.type, enabled=False):
                rough = self.int8.of(self.moved, len(queries[block])) if ready is None else None
                hits = self._search(queries[block], k, *some_queries(own, groups, block), ready=ready, rough=rough)
            yield block, *hits

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
        count = self._count(k, spare if rough is None else max(int8.ROUGH, k))
        moved = queries - self.centre
        approximate, candidates = ready or self._propose(moved, count, own, groups, rough)
        scores, ids = best_candidates(queries, self.gallery, approximate, candidates, k, self.similarity)
        if count == len(self.gallery):
            return scores, ids
        # No other row scores above the worst candidate. Where the k-th score does not exceed that one by more than the
        # rounding error, another row might belong to the k nearest: search again with more candidates.
        norms = moved.norm(dim=1)
        limit = approximate[:, -1] + self.rounding * (norms + self.longest) + self.lost
        if self.similarity == "euclidean":  # the query's squared norm is rounded when a score is converted
            limit += (moved.shape[1] + 4) * 2**-24 * norms.square()
        if rough is not None:
            limit = limit + rough.margin(moved)
        unsure = (limit >= self._as_proposed(scores[:, -1], norms)) & (approximate[:, -1] > -math.inf)
        if unsure.any():
            rows, wider = some_queries(own, groups, unsure), 4 * (count - k) if rough is None else SPARE
            self.int8.open += 0 if rough is None else int(unsure.sum())
            scores[unsure], ids[unsure] = self._search(queries[unsure], k, *rows, spare=wider)
        return scores, ids

    def _count(self, k: int, spare: int = SPARE) -> int:
        """The number of candidates that the first pass proposes."""
        return min(k + max(spare, k // 8), len(self.gallery))

    def _mirrored(
        self, k: int, own: Tensor | None, groups: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor] | None:
        """The candidates of every gallery row among the others, from half of the products; None for too many rows."""
        if len(self.gallery) * (count := self._count(k)) > KEPT:
            return None
        halves = None if self.similarity == "cosine" else self.half_squares
        values, positions = best_of_each(
            self.moved, halves, count, own is not None, None if groups is None else groups[0]
        )
        return (values if halves is None else values.add_(halves[:, None])), positions

    def _propose(
        self,
        queries: Tensor,
        count: int,
        own: Tensor | None,
        groups: tuple[Tensor, Tensor] | None,
        rough: Int8Rows | None,
    ) -> tuple[Tensor, Tensor]:
        """The ``count`` best candidates by matrix products: values (Q, count) and positions (Q, count)."""
        if rough is not None and len(queries) > int8.ROUGH:  # more at once would not stay in the cache
            starts = range(0, len(queries), int8.ROUGH)
            blocks = [slice(start, start + int8.ROUGH) for start in starts]
            parts = [self._propose(queries[rows], count, *some_queries(own, groups, rows), rough) for rows in blocks]
            return torch.cat([values for values, _ in parts]), torch.cat([positions for _, positions in parts])
        query_bytes = None if rough is None else rough.of(queries)
        best: tuple[Tensor, Tensor] | None = None
        most = QUERIES * GALLERY // (1 if rough is None else 2)  # numbers that each thread keeps memory for
        step = max(GALLERY, most // max(1, len(queries)))  # with few queries more gallery rows fit
        for start in range(0, len(self.gallery), step):
            stop = min(start + step, len(self.gallery))
            if rough is None or query_bytes is None:
                product = self._product(queries, start, stop)
            else:
                product = self._roughly(rough, query_bytes, start, stop)
            never = -math.inf if product.is_floating_point() else LEAST
            if own is not None:
                inside = (own >= start) & (own < stop)
                product[inside.nonzero().flatten(), own[inside] - start] = never
            if groups is not None:
                same = (groups[0][:, None] == groups[1][None, start:stop]) & (groups[0][:, None] != NOBODY)
                product.masked_fill_(same, never)
            if self.hidden is not None and self.hidden.dtype == torch.bool:
                product.masked_fill_(self.hidden[start:stop], never)
            elif self.hidden is not None:
                ends = torch.searchsorted(self.hidden, torch.tensor([start, stop])).tolist()
                product.index_fill_(1, self.hidden[slice(*ends)] - start, never)
            values, positions = largest(product, min(count, stop - start))
            if query_bytes is not None and rough is not None and not values.is_floating_point():
                values = (values * (query_bytes[1] * rough.scale)).masked_fill_(values == LEAST, -math.inf)
            proposals = (values, positions + start)
            if best is not None:
                proposals = torch.cat([best[0], proposals[0]], dim=1), torch.cat([best[1], proposals[1]], dim=1)
            keep = proposals[0].topk(min(count, proposals[0].shape[1]), dim=1)
            best = (keep.values, proposals[1].gather(1, keep.indices))
        empty = queries.new_empty(len(queries), 0)
        return best or (empty, empty.long())

    def _product(self, queries: Tensor, start: int, stop: int) -> Tensor:
        """Inner products; for "euclidean" minus half the squared norm of the gallery row, which keeps the order."""
        rows = self.moved[start:stop]
        out = self._space(len(queries) * len(rows)).view(len(queries), len(rows))
        if self.similarity == "cosine":
            return torch.mm(queries, rows.T, out=out)
        return torch.addmm(self.half_squares[None, start:stop], queries, rows.T, beta=-1, out=out)

    def _roughly(self, rough: Int8Rows, queries: tuple[Tensor, Tensor], start: int, stop: int) -> Tensor:
        """An approximation of :meth:`_product` from int8; for "cosine" it is int32 and not yet scaled."""
        shape = len(queries[0]), stop - start
        size = shape[0] * shape[1]
        whole = rough.products(queries[0], start, stop, self._space(size, torch.int32).view(shape))
        if self.similarity == "cosine":
            return whole
        values = torch.mul(whole, queries[1] * rough.scale, out=self._space(size).view(shape))
        return values.sub_(self.half_squares[start:stop])

    def _space(self, size: int, kind: torch.dtype = torch.float32) -> Tensor:
        """Memory that each thread reuses for its products; allocating it each time would cost a quarter of the time."""
        name = str(kind)
        if size > len(getattr(self.space, name, ())):
            setattr(self.space, name, torch.empty(size, dtype=kind, device=self.gallery.device))
        products: Tensor = getattr(self.space, name)[:size]
        return products

    def _as_proposed(self, scores: Tensor, norms: Tensor) -> Tensor:
        """Direct scores in the unit of the first pass; ``norms`` are the L2 norms (Q,) of the moved queries."""
        return scores if self.similarity == "cosine" else (norms.square() - scores.square()) / 2

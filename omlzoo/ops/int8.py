"""Approximate inner products in int8, which read a quarter of the memory and compute several products at once.

Their largest error is known for every query, so that a search which computes its candidates exactly afterwards stays
exact.
"""

import math

import torch
from torch import Tensor

__all__ = ["ROUGH", "Int8Pass", "Int8Rows", "multiplies_bytes"]

MOST = 127  # largest absolute value that is used of a signed byte
BLOCK = 1 << 18  # numbers that are converted at once
PAYS = 12  # rows are converted once that would have saved so many readings of them
ROUGH = 64  # queries of a block, and the least number of candidates
DOUBT = 0.25  # largest share of queries that may be left undecided before it is no longer used


def multiplies_bytes() -> bool:
    """Whether the processor multiplies bytes without overflow, which processors with VNNI or AMX do."""
    supported = getattr(torch.cpu, "_is_vnni_supported", None)
    return supported is not None and bool(supported()) and hasattr(torch, "_int_mm")


class Int8Pass:
    """Whether the first pass over a gallery is computed in int8: once so many queries came that the conversion pays.

    Args:
        able: Whether it may ever be: on this processor, for so many rows.

    Attributes:
        rows: The rows in int8, once they were converted.
        saved: Readings of the gallery in float32 that int8 would have saved.
        asked: Queries that were searched in int8.
        open: Of those, the ones that were left undecided.
    """

    def __init__(self, able: bool) -> None:
        self.rows: Int8Rows | None = None
        self.saved = 0.0 if able else -math.inf
        self.asked = self.open = 0

    def of(self, gallery: Tensor, queries: int) -> "Int8Rows | None":
        """The gallery in int8, or None where it is not to be used for the next queries.

        Args:
            gallery: (G, D) float32, the same at each call.
            queries: Number of the queries.
        """
        self.saved += 0.5 + queries / 32
        if self.saved < PAYS or self.open > max(ROUGH, DOUBT * self.asked):
            return None
        self.asked += queries
        if self.rows is None:
            self.rows = Int8Rows(gallery)
        return self.rows


class Int8Rows:
    """Rows as signed bytes with one common scale.

    Args:
        rows: (G, D) float32, on the CPU.

    Attributes:
        rows: (G, D) int8; times ``scale`` they are approximately the given rows.
        scale: What one step of a byte stands for.
        error: The largest Euclidean distance between a row and its bytes times the scale.
        longest: The largest L2 norm of a row.
    """

    def __init__(self, rows: Tensor) -> None:
        self.scale = max(1e-30, *(abs(float(end)) for end in torch.aminmax(rows))) / MOST
        self.rows = torch.empty(rows.shape, dtype=torch.int8)
        self.error = self.longest = 0.0
        step = max(1, BLOCK // rows.shape[1])  # small enough that the intermediate results stay in the cache
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            whole = part.div(self.scale).round_()
            self.rows[start : start + len(part)] = whole
            self.error = max(self.error, float(_norms(part - whole.mul_(self.scale)).max()))
            self.longest = max(self.longest, float(_norms(part).max()))

    def of(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (Q, D) float32 as bytes (Q, D) int8, and the scale of each query (Q, 1)."""
        scales = queries.abs().amax(dim=1, keepdim=True).clamp_(min=1e-30) / MOST
        return queries.div(scales).round_().to(torch.int8), scales

    def margin(self, queries: Tensor) -> Tensor:
        """The largest error (Q,) of an inner product of queries (Q, D) with a row, without the rounding of float32."""
        codes, scales = self.of(queries)
        restored = codes * scales
        return _norms(queries - restored) * self.longest + _norms(restored) * self.error

    def products(self, queries: Tensor, start: int, stop: int, out: Tensor) -> Tensor:
        """Inner products of the queries' bytes with the bytes of some rows.

        Multiplied by the query's scale and by :attr:`scale` they approximate the inner products of the vectors.

        Args:
            queries: (Q, D) int8, the bytes that :meth:`of` returns.
            start: The first row.
            stop: The row after the last.
            out: (Q, stop - start) int32; it is overwritten and returned.
        """
        torch._int_mm(queries, self.rows[start:stop].T, out=out)
        return out


def _norms(rows: Tensor) -> Tensor:
    """L2 norms (N,) of the rows in float64, because squares of tiny numbers are zero in float32."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms

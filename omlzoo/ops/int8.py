"""A first look at inner products, in bytes: a quarter of the memory to read, several products in one instruction.

What it may be off by is known for every query, so that a search which looks closer afterwards stays exact.
"""

import torch
from torch import Tensor

__all__ = ["Int8Rows", "multiplies_bytes"]

MOST = 127  # of a signed byte, the same on both sides of zero
BLOCK = 1 << 18  # numbers


def multiplies_bytes() -> bool:
    """Whether the processor multiplies bytes without overflow, as those with VNNI or AMX do."""
    supported = getattr(torch.cpu, "_is_vnni_supported", None)
    return supported is not None and bool(supported()) and hasattr(torch, "_int_mm")


class Int8Rows:
    """Rows (G, D) float32 on the CPU in bytes of one scale.

    Attributes:
        error: The largest distance of a row to what its bytes say.
        longest: The largest length of a row.
    """

    def __init__(self, rows: Tensor) -> None:
        self.scale = max(1e-30, *(abs(float(end)) for end in torch.aminmax(rows))) / MOST
        self.rows = torch.empty(rows.shape, dtype=torch.int8)
        self.error = self.longest = 0.0
        step = max(1, BLOCK // rows.shape[1])  # what lies between stays in the cache
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            whole = part.div(self.scale).round_()
            self.rows[start : start + len(part)] = whole
            self.error = max(self.error, float(_lengths(part - whole.mul_(self.scale)).max()))
            self.longest = max(self.longest, float(_lengths(part).max()))

    def of(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (Q, D) as bytes, and their scales (Q, 1)."""
        scales = queries.abs().amax(dim=1, keepdim=True).clamp_(min=1e-30) / MOST
        return queries.div(scales).round_().to(torch.int8), scales

    def margin(self, queries: Tensor) -> Tensor:
        """(Q,) what an inner product of these queries (Q, D) with a row can be off by, rounding of float32 apart."""
        found, scales = self.of(queries)
        said = found * scales
        return _lengths(queries - said) * self.longest + _lengths(said) * self.error

    def products(self, queries: Tensor, start: int, stop: int, out: Tensor) -> Tensor:
        """Inner products of bytes (Q, D) with the rows from ``start`` to ``stop``, to be scaled by both scales.

        Args:
            queries: Of :meth:`of`.
            start: First row.
            stop: The row after the last.
            out: (Q, stop - start) int32, is overwritten and returned.
        """
        torch._int_mm(queries, self.rows[start:stop].T, out=out)
        return out


def _lengths(rows: Tensor) -> Tensor:
    """(N,) float64, as squares of tiny numbers are zero in float32."""
    found: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return found

"""Squared distances of queries to a whole gallery by products in float64, a block at a time; direct scores of pairs."""

import numpy as np
import torch
from torch import Tensor

from omlzoo.metrics._selection import NOBODY, Selection
from omlzoo.ops.direct_scores import scores_of
from omlzoo.ops.similarity import Similarity

__all__ = ["Squares"]

GALLERY = 4096  # gallery rows of a product
DIRECT = 1 << 20  # numbers that one step of direct scoring gathers
SINGLE, DOUBLE = 2.0**-24, 2.0**-52  # relative rounding errors
SMALLEST = 2.0**-149  # of float32


class Squares:
    """Squared distances of queries to the gallery, and how far those of direct scores may be from them.

    For "cosine" a constant minus the inner product stands for the squared distance.

    Args:
        vectors: (N, D) of all rows, finite.
        selection: The queries and the gallery, and which pairs do not count.
        positions: (N,) position of each row in the gallery, or NOBODY.
        similarity: What orders the gallery.
    """

    def __init__(self, vectors: Tensor, selection: Selection, positions: np.ndarray, similarity: Similarity) -> None:
        self.vectors, self.selection, self.positions, self.similarity = vectors, selection, positions, similarity
        self.plain = vectors.detach().float().cpu()
        self.rows = torch.from_numpy(selection.gallery)
        centre = self.plain.mean(dim=0, dtype=torch.float64)
        self.centre = centre if similarity == "euclidean" else torch.zeros_like(centre)
        starts = range(0, max(1, len(self.plain)), GALLERY)
        lengths = torch.cat([(self.plain[i : i + GALLERY].double() - self.centre).norm(dim=1) for i in starts])
        self.factor = 1 / (float(lengths.max()) or 1.0)  # the longest row has L2 norm 1
        terms = vectors.shape[1] + 8
        # Direct scores are off by a share of the squared distance, of inner products by a share of the norms. Both sums
        # are off by the rounding of float64, and direct scores end where float32 does.
        share, whole = terms * SINGLE, 4 * terms * DOUBLE + 8 * SMALLEST * self.factor
        self.share = 2.2 * share if similarity == "euclidean" else 0.0
        self.slack = 2 * whole + (0.0 if similarity == "euclidean" else 4 * share)

    def of(self, rows: np.ndarray) -> Tensor:
        """Squared distances (B, G) float32 of some rows; infinite where a pair does not count."""
        left = self._moved(self.plain[torch.from_numpy(rows)])
        norms = left.square().sum(dim=1, keepdim=True)
        squares = torch.empty(len(rows), len(self.rows))
        for start in range(0, len(self.rows), GALLERY):
            right = self._moved(self.plain[self.rows[start : start + GALLERY]])
            if self.similarity == "cosine":
                part = 1 - left @ right.T
            else:
                part = torch.addmm(right.square().sum(dim=1), left, right.T, alpha=-2).add_(norms)
            squares[:, start : start + GALLERY] = part.clamp_(min=0).abs_()  # no minus 0
        own = self.positions[rows]
        squares[np.flatnonzero(own != NOBODY), own[own != NOBODY]] = torch.inf
        sequences = self.selection.sequences
        if sequences is not None:
            mine, theirs = sequences[rows], sequences[self.selection.gallery]
            same = (mine[:, None] == theirs[None, :]) & (mine[:, None] != NOBODY)
            squares.masked_fill_(torch.from_numpy(same), torch.inf)
        return squares

    def direct(self, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Direct scores (P,) of pairs.

        Args:
            rows: (P,) row numbers of queries.
            positions: (P,) gallery positions.
        """
        queries, gallery = torch.from_numpy(rows), torch.from_numpy(self.selection.gallery[positions])
        vectors, step, found = self.vectors.detach(), max(1, DIRECT // self.vectors.shape[1]), [torch.empty(0)]
        for start in range(0, len(rows), step):
            pairs = slice(start, start + step)
            left, right = vectors[queries[pairs]].float(), vectors[gallery[pairs]].float()
            found.append(scores_of(left, right[:, None], self.similarity)[:, 0].cpu())
        return torch.cat(found).numpy()

    def _moved(self, rows: Tensor) -> Tensor:
        return (rows.double() - self.centre).mul_(self.factor)

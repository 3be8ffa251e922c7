"""Metrics of how embeddings are distributed in their space, independent of the results of a search."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.metrics._selection import Ids, select
from omlzoo.ops.directions import normalize
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["alignment", "lidar", "pcf", "rankme", "standard_deviation", "uniformity"]

ROWS = 1024  # rows of a block
NOTHING = 1e-7  # added to each share, so that its logarithm is finite, as in the papers of RankMe and LiDAR


def pcf(embeddings: Rows, variance: Sequence[float] = (0.5,)) -> dict[str, float]:
    """Share of the principal components that is needed to explain more than a share of the variance.

    Args:
        embeddings: (N, D), with two rows or more, finite.
        variance: Shares of the variance, in [0, 1].

    Returns:
        For each share, named such as "pcf@0.5", the number of components divided by D, in [0, 1]; NaN if all embeddings
        are equal.

    Raises:
        BadInput: There are fewer than two rows, a value is not finite or above 1e15, or a share is out of its range.
    """
    vectors = _finite(embeddings).double()
    for share in variance:
        if not 0 <= share <= 1:
            raise BadInput(f"variance holds {share}; it is a share, between 0 and 1")
    count, dim = vectors.shape
    centred = vectors - vectors.mean(dim=0)
    wide = centred.T @ centred if count > dim else centred @ centred.T
    explained = torch.linalg.eigvalsh(wide).flip(0).clamp(min=0)[: min(count, dim)].cumsum(dim=0)
    if not explained[-1] > 0:
        return {f"pcf@{share:g}": float("nan") for share in variance}
    shares = explained / explained[-1]
    needed = [int((shares <= share * (1 + 1e-12)).sum()) + 1 for share in variance]
    return {f"pcf@{share:g}": min(number, dim) / dim for share, number in zip(variance, needed, strict=True)}


def alignment(embeddings: Rows, labels: Ids) -> float:
    """Mean squared Euclidean distance of positive pairs (arXiv 2005.10242); NaN without such a pair.

    Args:
        embeddings: (N, D), with two rows or more, finite; those of the paper have L2 norm 1.
        labels: (N,) ids of any kind.

    Raises:
        BadInput: There are fewer than two rows, a value is not finite or above 1e15, or the labels do not fit.
    """
    vectors = _finite(embeddings).double()
    codes = torch.from_numpy(select(len(vectors), labels).labels)
    sizes = torch.bincount(codes).double()
    sums = torch.zeros(len(sizes), vectors.shape[1], dtype=torch.float64).index_add_(0, codes, vectors)
    squares = (vectors - (sums / sizes[:, None])[codes]).square().sum(dim=1)
    apart = (sizes[codes] * squares).sum()  # sum over the unordered positive pairs of all labels
    return float(apart / (sizes * (sizes - 1) / 2).sum())


def uniformity(embeddings: Rows, t: float = 2.0) -> float:
    """Logarithm of the mean of exp(-t x squared distance) over all pairs (arXiv 2005.10242).

    The lower it is, the more evenly the embeddings are distributed.

    Args:
        embeddings: (N, D), with two rows or more, finite; those of the paper have L2 norm 1.
        t: Factor of the squared Euclidean distances, above 0.

    Raises:
        BadInput: There are fewer than two rows, or a value is not finite or above 1e15.
    """
    vectors = _finite(embeddings).double()  # the largest exponents decide, so near rows must not cancel
    vectors = vectors - vectors.mean(dim=0)
    norms, total = vectors.square().sum(dim=1), torch.tensor(-torch.inf, dtype=torch.float64)
    for start in range(0, len(vectors), ROWS):
        left = vectors[start : start + ROWS]
        squares = (norms[start : start + ROWS, None] + norms - 2 * left @ vectors.T).clamp(min=0)
        squares[torch.arange(len(left)), start + torch.arange(len(left))] = torch.inf  # a row with itself
        total = torch.logaddexp(total, squares.mul_(-t).flatten().logsumexp(dim=0))
    return float(total) - float(np.log(len(vectors) * (len(vectors) - 1)))


def standard_deviation(embeddings: Rows) -> float:
    """Mean over dimensions of the standard deviation of the unit vectors, times sqrt(D) (SimSiam, arXiv 2011.10566).

    About 1 where they are spread evenly around the origin, 0 where all are equal: collapsed.

    Args:
        embeddings: (N, D), with two rows or more, finite. They are scaled to L2 norm 1.

    Raises:
        BadInput: There are fewer than two rows, or a value is not finite or above 1e15.
    """
    units = normalize(_finite(embeddings).double())
    return float(units.std(dim=0).mean() * units.shape[1] ** 0.5)


def rankme(embeddings: Rows) -> float:
    """RankMe: the effective rank, exp of the entropy of the singular values' shares (arXiv 2210.02885).

    From 1 to min(N, D). It compares runs of one method; it is no accuracy, and it must not choose between views or
    epochs. The paper takes 25,600 rows; they are not centred.

    Args:
        embeddings: (N, D), with two rows or more, finite.

    Raises:
        BadInput: There are fewer than two rows, or a value is not finite or above 1e15.
    """
    return _effective_rank(torch.linalg.svdvals(_finite(embeddings).double()))


def lidar(embeddings: Rows, ids: Ids, *, delta: float = 1e-4) -> float:
    """LiDAR: the effective rank of what tells pictures apart, by how views of one differ (arXiv 2312.04000).

    With B the covariance of the pictures' means and W the mean covariance of the views around them + ``delta`` x the
    identity, it is exp of the entropy of the shares of the eigenvalues of W^-1/2 B W^-1/2; from 1 to the smaller of D
    and the number of pictures - 1. The paper takes 1,000 pictures of several views each. Covariances are means over
    the rows there are. ``delta`` is in the unit of the vectors; implementations differ in it (1e-6 to 1e-3), so
    compare only values of the same.

    Args:
        embeddings: (N, D), finite.
        ids: (N,) which picture a row is a view of; two pictures or more, with two views or more each.
        delta: Added to the variances within pictures, above 0.

    Raises:
        BadInput: A picture has one view, there is one picture, ``delta`` is out of its range, or a value is not finite
            or above 1e15.
    """
    vectors = _finite(embeddings).double()
    codes = torch.from_numpy(select(len(vectors), ids).labels)
    views = torch.bincount(codes)
    if len(views) < 2 or int(views.min()) < 2:
        raise BadInput(
            f"ids name {len(views)} pictures, one with {int(views.min())} view; give two pictures or more, each with "
            "two views or more"
        )
    if not 0 < delta < float("inf"):
        raise BadInput(f"delta is {delta}; it must be above 0")
    means = vectors.new_zeros(len(views), vectors.shape[1]).index_add_(0, codes, vectors) / views[:, None]
    inside = (vectors - means[codes]) / (views[codes, None] * len(views)).sqrt()
    variances, axes = torch.linalg.eigh(inside.T @ inside)
    apart = (means - means.mean(dim=0)) / len(views) ** 0.5
    # The eigenvalues are the squared singular values of the means in the axes of W, each divided by its deviation.
    whitened = apart @ axes / (variances.clamp(min=0) + delta).sqrt()
    return _effective_rank(torch.linalg.svdvals(whitened).square())


def _effective_rank(values: Tensor) -> float:
    """exp of the entropy of the shares of values (K,), none below 0; 1 where all are 0."""
    total = values.sum()
    shares = (values / total if total > 0 else values) + NOTHING
    return float((-shares * shares.log()).sum().exp())


def _finite(embeddings: Rows) -> Tensor:
    vectors = as_rows(embeddings, "embeddings").cpu()
    if len(vectors) < 2:
        raise BadInput(f"embeddings have the shape {tuple(vectors.shape)}; it must be (N, dim), N two or more")
    return vectors

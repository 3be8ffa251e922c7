"""What contrastive objectives share: pairs of views, a queue of keys, and the value of chosen pairs."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import shared
from omlzoo.errors import BadInput
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.unit_rows import normalize

__all__ = ["KeyQueue", "agreement", "info_nce", "masks", "queue_contrast"]

NOBODY = -1  # the id of the random vectors that a queue starts with


def masks(ids: Tensor, views: int = 1) -> tuple[Tensor, Tensor]:
    """The positive and negative pairs (views B, views B) bool among the rows of all views.

    Positive are two views of one row, or with one view each row with itself. Negative are rows of different pictures.
    What remains, rows of one picture or burst that are not one row, is neither.

    Args:
        ids: (B,), which picture each row is.
        views: How many views stand below each other.
    """
    rows, names = torch.arange(len(ids), device=ids.device).repeat(views), ids.repeat(views)
    positive = rows[:, None] == rows[None, :]
    if views > 1:
        positive.fill_diagonal_(False)
    return positive, names[:, None] != names[None, :]


def info_nce(
    similarity: Tensor, temperature: float, positive: Tensor, negative: Tensor
) -> tuple[Tensor | None, dict[str, Tensor]]:
    """The mean over positive pairs of InfoNCE against the negatives of the row, and numbers for the statistics.

    Args:
        similarity: (B, M).
        temperature: Divides the similarities.
        positive: (B, M) bool.
        negative: (B, M) bool.

    Returns:
        None where no pair has a negative; otherwise the mean and "positive_cosine", "negative_cosine", "accuracy"
        (share of positive pairs above all negatives) and "flat" (mean logarithm of the numbers of candidates).
    """
    used = positive & negative.any(dim=1, keepdim=True)
    count = used.sum()
    if not count:
        return None, {}
    value = against_negatives(similarity / temperature, positive, negative).sum() / count
    with torch.no_grad():
        near = similarity.detach()
        hardest = near.masked_fill(~negative, -torch.inf).amax(dim=1, keepdim=True)
        candidates = negative.sum(dim=1, keepdim=True, dtype=near.dtype).log1p()
        numbers = {
            "positive_cosine": (near * used).sum() / count,
            "negative_cosine": (near * negative).sum() / negative.sum(),
            "accuracy": ((near > hardest) & used).sum() / count,
            "flat": (candidates * used).sum() / count,
        }
    return value, numbers


@torch.no_grad()
def agreement(left: Tensor, right: Tensor, ids: Tensor) -> dict[str, Tensor]:
    """The mean cosines "positive_cosine" of rows with themselves, and "negative_cosine" of rows of different pictures.

    Args:
        left: (B, D), one view.
        right: (B, D), another view.
        ids: (B,), which picture each row is.
    """
    near = normalize(left.detach()) @ normalize(right.detach()).T
    other = ids[:, None] != ids[None, :]
    return {"positive_cosine": near.diagonal().mean(), "negative_cosine": (near * other).sum() / other.sum()}


class KeyQueue(nn.Module):
    """The last keys with their ids. As MoCo's it starts with random unit vectors, the same ones in every process.

    Args:
        size: How many keys it holds.
        dim: Their dimension.
        random: Whether it starts with random vectors; otherwise it starts empty.
    """

    def __init__(self, size: int, dim: int, random: bool = True) -> None:
        super().__init__()
        if size < 1 or dim < 1:
            raise BadInput(f"a queue of {size} keys of dimension {dim}; both must be 1 or more")
        self.bank = shared("memory", "MemoryBank")(size, dim)
        if random:
            drawn = torch.randn(size, dim, generator=torch.Generator().manual_seed(0))
            self.bank.add(normalize(drawn), torch.full((size,), NOBODY))

    @property
    def full(self) -> bool:
        """Whether no place is empty."""
        return len(self.bank) == len(self.bank.labels)

    def add(self, keys: Tensor, ids: Tensor) -> None:
        """Put keys, scaled to L2 norm 1, in place of the oldest.

        Args:
            keys: (B, D).
            ids: (B,), which picture each is.
        """
        self.bank.add(normalize(keys.detach()), ids)

    def similarity(self, queries: Tensor) -> Tensor:
        """The inner products (B, size) of queries (B, D) of L2 norm 1 with the keys, which are its cosines."""
        keys: Tensor = self.bank.embeddings.to(queries.dtype)
        return queries @ (keys.clone() if queries.requires_grad else keys).T  # keys change before the backward pass

    def negative(self, ids: Tensor) -> Tensor:
        """(B, size) bool: which keys are of another picture than a row."""
        other: Tensor = ids[:, None] != self.bank.labels[None, :]
        return other

    def nearest(self, rows: Tensor, ids: Tensor) -> Tensor:
        """The key (B, D) of another picture nearest to each row; the row itself where there is none.

        Args:
            rows: (B, D) of L2 norm 1.
            ids: (B,), which picture each is.
        """
        other = self.negative(ids)
        found = self.similarity(rows).masked_fill(~other, -torch.inf).argmax(dim=1)
        near = self.bank.embeddings.to(rows.dtype)[found]
        return torch.where(other.any(dim=1, keepdim=True), near, rows)


def queue_contrast(
    queries: Tensor, keys: Tensor, ids: Tensor, queue: KeyQueue, temperature: float
) -> tuple[Tensor | None, dict[str, Tensor]]:
    """InfoNCE of each query with its key against the queue's keys of other pictures; as :func:`info_nce`.

    Args:
        queries: (B, D).
        keys: (B, D), of the same rows.
        ids: (B,), which picture each row is.
        queue: Past keys.
        temperature: Divides the cosines.
    """
    rows = normalize(queries)
    near = (rows * normalize(keys)).sum(dim=1, keepdim=True)
    first = torch.ones(len(ids), 1, dtype=torch.bool, device=ids.device)
    other = queue.negative(ids)
    positive = torch.cat([first, torch.zeros_like(other)], dim=1)
    negative = torch.cat([~first, other], dim=1)
    return info_nce(torch.cat([near, queue.similarity(rows)], dim=1), temperature, positive, negative)

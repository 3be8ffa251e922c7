"""CURL's contrast of random crops (arXiv 2004.04136); the agent that learns beside it is an example."""

from typing import Literal

from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.losses.bilinear import BilinearInfoNCE
from omlzoo.objectives._contrast import agreement, info_nce, masks
from omlzoo.objectives._objective import Objective

__all__ = ["CURL"]


class CURL(Objective):
    """The student's query finds the teacher's key of another crop by a learned product q W k, within the batch.

    As in the authors' code there is neither a norm of 1 nor a temperature, in one direction: the key is the first view
    and the query the last, so the student need not see the first nor the teacher the others.

    Args:
        width: The dimension of the body's embedding.
        dim: The dimension of queries and keys.
        start: How W starts: "uniform" in [0, 1) as the authors', or "identity", the ordinary inner product.
        momentum: Of the teacher, throughout: 0.95 in the authors' command, 0.995 in their class.
        gather: Compute over the views of all processes.

    Attributes:
        product: The loss :class:`omlzoo.losses.BilinearInfoNCE`, which holds W and folds it into a gallery.
        stats: "positive_cosine", "negative_cosine" (cosines, whereas the value rests on q W k), "accuracy" (share of
            queries that find their key), "empty_batches".
    """

    teacher = True
    teacher_views = 1
    unseen = 1
    two_views = True
    constant_momentum = True

    def __init__(
        self, width: int, dim: int = 50, start: Literal["uniform", "identity"] = "uniform", momentum: float = 0.95,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if start not in ("uniform", "identity"):
            raise BadInput(f"start is {start!r}; it must be 'uniform' or 'identity'")
        self.dim, self.start, self.momentum = dim, start, momentum
        self.product = BilinearInfoNCE(dim)
        if start == "uniform":
            nn.init.uniform_(self.product.weight)

    def make_projector(self) -> nn.Module:
        """One linear layer and a layer norm."""
        return nn.Sequential(nn.Linear(self.width, self.dim), nn.LayerNorm(self.dim))

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        products = student[-1] @ self.product.fold(teacher[0]).T
        value, numbers = info_nce(products, 1.0, *masks(ids))
        if value is None:
            return None
        self._flat = numbers["flat"]
        self.note(accuracy=numbers["accuracy"], **agreement(student[-1], teacher[0], ids))
        return value

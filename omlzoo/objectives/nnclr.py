"""NNCLR (arXiv 2104.14548)."""

import torch
from torch import Tensor, nn

from omlzoo.losses._loss import positive_number
from omlzoo.objectives._contrast import KeyQueue, info_nce, masks
from omlzoo.objectives._objective import Objective, head, ordered_pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["NNCLR"]


class NNCLR(Objective):
    """The positive of a prediction is the nearest past projection to another view of the picture.

    The value is the mean over pairs of different views (i, j) and rows of -log(exp(n p / t) / sum over k of
    exp(n p_k / t)): n is the projection in the queue that is nearest to the row of view i, p the prediction of view j,
    and p_k those of other pictures. There is no code of the authors; value and queue are as in solo-learn, whereas
    Lightly's loop compares n and p by NT-Xent with all rows of both. Earlier projections of the same picture, which a
    queue longer than an epoch holds, are no neighbours: the method would become SimCLR. The first view joins the queue.

    Args:
        width: The dimension of the body's embedding.
        queue: The number of past projections. Take at most half of the number of pictures.
        temperature: t, above 0.
        dim: The dimension of the projection.
        hidden: The dimension of the two hidden layers of the projector.
        predictor_hidden: The dimension of the hidden layer of the predictor.
        gather: Compute over the views of all processes; the predictor's batch norm then sees the whole batch.

    Attributes:
        predictor: Trained with the model.
        queue_of_keys: The queue; part of the state dict.
        stats: "positive_cosine", "negative_cosine", "accuracy" (share of neighbours nearest to their prediction),
            "neighbour_cosine" (of a projection and its neighbour), "empty_batches".
    """

    def __init__(
        self, width: int, queue: int = 65_536, temperature: float = 0.1, dim: int = 256, hidden: int = 2048,
        predictor_hidden: int = 4096, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        self.temperature = positive_number("temperature", temperature)
        self.queue, self.dim, self.hidden, self.predictor_hidden = queue, dim, hidden, predictor_hidden
        self.predictor = head("Perceptron", [dim, predictor_hidden, dim], last_bias=True)
        self.queue_of_keys = KeyQueue(queue, dim)

    def make_projector(self) -> nn.Module:
        """Three linear layers, each with a batch norm."""
        return head("Perceptron", [self.width, self.hidden, self.hidden, self.dim], last_norm="affine")

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        predicted = [normalize(self.predictor(view)) for view in student]
        with torch.no_grad():
            rows = [normalize(view.detach()) for view in student]
            near = [self.queue_of_keys.nearest(view, ids) for view in rows]
            neighbour = (near[0] * rows[0]).sum(dim=1).mean()
        pairs = ordered_pairs(len(near), len(predicted))
        found = [info_nce(near[i] @ predicted[j].T, self.temperature, *masks(ids)) for i, j in pairs]
        if self.training:
            self.queue_of_keys.add(student[0], ids)
        values = [value for value, _ in found if value is not None]
        if not values:
            return None
        numbers = found[0][1]
        self._flat = numbers.pop("flat")
        self.note(neighbour_cosine=neighbour, **numbers)
        return torch.stack(values).mean()

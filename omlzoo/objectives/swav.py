"""SwAV (arXiv 2006.09882)."""

import math

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._assignment import entropies, sinkhorn
from omlzoo.objectives._contrast import KeyQueue
from omlzoo.objectives._objective import Objective, head
from omlzoo.ops.unit_rows import normalize

__all__ = ["SwAV"]

HELD = 0.1  # the largest share of the run that the prototypes are held


class SwAV(Objective):
    """Every view predicts the prototypes that the global views of its picture were assigned to, in equal shares.

    The value is the mean over global views of the mean over all other views of the cross-entropy of the assignment, by
    Sinkhorn over the batch, and softmax(cosines to prototypes / temperature). Schedules that the authors give in epochs
    are shares of the run or steps here. A value that stays at ln K is a collapse: smaller epsilon, fewer local views,
    prototypes held longer.

    Args:
        width: The dimension of the body's embedding.
        prototypes: K, about ten times the number of kinds of pictures; the authors' for ImageNet.
        temperature: Divides the cosines of predictions.
        epsilon: Divides those of assignments; smaller ones are sharper.
        rounds: Rounds of Sinkhorn.
        views: How many first views are global.
        held_steps: For how many steps the prototypes stay as drawn, at most a tenth of the run. The authors' epoch has
            313 steps in batches of 4,096, and 5,005 of 256.
        queue: How many past projections of each global view stand beside the batch in Sinkhorn; 0 for none. Small
            batches need them: the authors have 3,840 for 256.
        queue_from: The share of the run after which the queue is filled, and used when full.
        dim: The dimension of the projection.
        hidden: The dimension of the projector's hidden layer.
        gather: Compute over the views of all processes.

    Attributes:
        prototypes: (K, dim), trained with the model, of L2 norm 1 before each step.
        stats: "teacher_entropy" (mean entropy of the assignments), "mean_entropy" (entropy of their mean, ln K where
            all prototypes are used), "agreement" (share of rows whose largest prototype another view predicts),
            "queue" (whether it is used), "empty_batches".
    """

    def __init__(
        self, width: int, prototypes: int = 3000, temperature: float = 0.1, epsilon: float = 0.05, rounds: int = 3,
        views: int = 2, held_steps: int = 313, queue: int = 0, queue_from: float = 0.15, dim: int = 128,
        hidden: int = 2048, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if prototypes < 2 or rounds < 1 or views < 1 or queue < 0:
            raise BadInput(
                f"prototypes {prototypes} must be 2 or more, rounds {rounds} and views {views} 1 or more, "
                f"queue {queue} 0 or more"
            )
        self.temperature, self.epsilon = (
            positive_number("temperature", temperature),
            positive_number("epsilon", epsilon),
        )
        self.rounds, self.views, self.held_steps, self.dim, self.hidden = rounds, views, held_steps, dim, hidden
        self.queue, self.queue_from = queue, queue_from
        self.prototypes = nn.Parameter(torch.empty(prototypes, dim))
        nn.init.kaiming_uniform_(self.prototypes, a=5**0.5)
        self.past = nn.ModuleList([KeyQueue(queue, dim, random=False) for _ in range(views if queue else 0)])
        self._held, self._queue_on = False, True

    def __repr__(self) -> str:
        return described(self, prototypes=str(len(self.prototypes)))

    def make_projector(self) -> nn.Module:
        """One hidden layer with batch norm, both layers with bias."""
        return head("Perceptron", [self.width, self.hidden, self.dim], bias=True, last_bias=True)

    def begin_step(self, step: int, steps: int) -> None:
        """Scale the prototypes to L2 norm 1, and set whether they are held and the queue is used.

        Args:
            step: The number of the step, from 0.
            steps: The number of steps of the whole run.
        """
        self.prototypes.data = normalize(self.prototypes.data)
        self._held = step < min(self.held_steps, int(HELD * steps))
        self._queue_on = step >= self.queue_from * steps

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor:
        rows = [normalize(view) for view in student]
        prototypes = (self.prototypes.detach() if self._held else self.prototypes).to(rows[0].dtype)
        scores = [view @ prototypes.T for view in rows]
        guesses = [(view / self.temperature).log_softmax(dim=1) for view in scores]
        past = [each for each in self.past if isinstance(each, KeyQueue)] if self._queue_on else []
        values, targets = [], []
        used = bool(past) and all(queue.full for queue in past)
        for number in range(min(self.views, len(rows))):
            given = scores[number].detach()
            if used:
                given = torch.cat([given, past[number].similarity(prototypes.detach()).T])
            targets.append(sinkhorn(given / self.epsilon, self.rounds)[: len(ids)])
            others = [guess for place, guess in enumerate(guesses) if place != number]
            values.append(torch.stack([-(targets[-1] * guess).sum(dim=1).mean() for guess in others]).mean())
            if past and self.training:
                past[number].add(rows[number], ids)
        same = (targets[0].argmax(dim=1) == guesses[1].argmax(dim=1)).float().mean()
        self._flat = math.log(len(self.prototypes))
        self.note(**entropies(torch.cat(targets)), agreement=same, queue=float(used))
        return torch.stack(values).mean()

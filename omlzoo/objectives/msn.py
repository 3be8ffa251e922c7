"""MSN, masked siamese networks (arXiv 2204.07141): the objective; the masks are the views'."""

import math

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._assignment import entropies, sinkhorn
from omlzoo.objectives._objective import Objective, head
from omlzoo.ops.unit_rows import normalize

__all__ = ["MSN"]


class MSN(Objective):
    """Masked views of the student are assigned to prototypes as the whole first view is by the teacher.

    The value is the mean cross-entropy of the teacher's sharpened shares in the first view, made equal by Sinkhorn, and
    the student's in every other view, plus ``weight`` times ln K minus the entropy of the student's mean shares.

    Args:
        width: The dimension of the body's embedding.
        prototypes: K.
        temperature: Divides the cosines to the prototypes, on both sides.
        sharpening: The teacher's shares are raised to the power 1 / ``sharpening`` and scaled to sum 1, in (0, 1].
        weight: Weight of the second term, 0 or more.
        rounds: Rounds of Sinkhorn; 0 for none.
        momentum: Of the teacher, at first.
        dim: The dimension of the projection.
        hidden: The dimension of the projector's two hidden layers.
        gather: Compute over the views of all processes.

    Attributes:
        prototypes: (K, dim), trained with the model; only their directions count.
        stats: "teacher_entropy" (mean entropy of the teacher's shares), "mean_entropy" (entropy of the student's mean
            shares), "agreement" (share of rows with the same largest prototype), "empty_batches".
    """

    teacher = True
    kept = "teacher"
    teacher_views = 1
    unseen = 1

    def __init__(
        self, width: int, prototypes: int = 1024, temperature: float = 0.1, sharpening: float = 0.25,
        weight: float = 1.0, rounds: int = 3, momentum: float = 0.996, dim: int = 256, hidden: int = 2048,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if prototypes < 2 or not weight >= 0 or rounds < 0 or not 0 < sharpening <= 1:
            raise BadInput(
                f"prototypes {prototypes} must be 2 or more, weight {weight} and rounds {rounds} 0 or more, sharpening "
                f"{sharpening} in (0, 1]"
            )
        self.temperature, self.sharpening = positive_number("temperature", temperature), sharpening
        self.weight, self.rounds, self.momentum, self.dim, self.hidden = weight, rounds, momentum, dim, hidden
        self.prototypes = nn.Parameter(torch.empty(prototypes, dim).uniform_(-(dim**-0.5), dim**-0.5))

    def __repr__(self) -> str:
        return described(self, prototypes=str(len(self.prototypes)))

    def make_projector(self) -> nn.Module:
        """Three layers with bias, batch norm and GELU in between."""
        widths = [self.width, self.hidden, self.hidden, self.dim]
        return head("Perceptron", widths, bias=True, last_bias=True, activation=nn.GELU)

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor:
        prototypes = normalize(self.prototypes.to(teacher[0].dtype))
        with torch.no_grad():
            logits = normalize(teacher[0]) @ prototypes.T / self.temperature
            sharp = (logits.log_softmax(dim=1) / self.sharpening).log_softmax(dim=1)  # rows sum to 1 before Sinkhorn
            target = sinkhorn(sharp, self.rounds) if self.rounds else sharp.exp()
        guesses = [(normalize(view) @ prototypes.T / self.temperature).log_softmax(dim=1) for view in student[1:]]
        value = torch.stack([-(target * guess).sum(dim=1).mean() for guess in guesses]).mean()
        mean = torch.stack([guess.exp().mean(dim=0) for guess in guesses]).mean(dim=0)
        entropy = torch.special.entr(mean).sum()
        same = (target.argmax(dim=1) == guesses[0].argmax(dim=1)).float().mean()
        self._flat = math.log(len(prototypes))
        self.note(**{**entropies(target), "mean_entropy": entropy}, agreement=same)
        total: Tensor = value + self.weight * (math.log(len(prototypes)) - entropy)
        return total

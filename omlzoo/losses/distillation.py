"""Distillation of a teacher's similarities (after SimCLRv2, arXiv 2006.10029), which needs no labels."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.ops.all_gather import gather as gathered
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import check_batch
from omlzoo.ops.unit_rows import normalize

__all__ = ["SimilarityDistillation"]


class SimilarityDistillation(nn.Module):
    """Mean over rows of KL(softmax(teacher's cosines / u) || softmax(student's cosines / t)), times t^2.

    Each row of the batch is compared with all other rows, not with itself; or, as in SEED (arXiv 2101.04731), with
    anchors, which are vectors of the teacher. It is called with the student's and the teacher's embeddings of the same
    pictures, not with labels.

    Args:
        temperature: t, above 0.
        regression: Weight of an additional term, the mean of 1 - cosine(student, teacher), 0 or more. The term needs
            embeddings of equal dimension.
        gather: Compute over the batches of all processes.
        teacher_temperature: u, above 0; None is t. SEED's is below t.
        unscaled: Whether the divergence is not multiplied by t^2, as in the formula of SimCLRv2's paper and in SEED. In
            the notebook of SimCLRv2's authors it is.

    Attributes:
        stats: "divergence", "agreement" (share of rows whose nearest other row, or anchor, is the same for student and
            teacher), "empty_batches".
    """

    def __init__(
        self,
        temperature: float = 0.1,
        regression: float = 0.0,
        gather: bool = False,
        teacher_temperature: float | None = None,
        unscaled: bool = False,
    ) -> None:
        super().__init__()
        if not regression >= 0:
            raise BadInput(f"regression is {regression}; it must be 0 or more")
        self.temperature, self.regression, self.gather = positive_number("temperature", temperature), regression, gather
        if teacher_temperature is not None:
            positive_number("teacher_temperature", teacher_temperature)
        self.teacher_temperature = teacher_temperature
        self.unscaled = unscaled
        self.stats: dict[str, float] = {"empty_batches": 0.0}

    def __repr__(self) -> str:
        return described(self)

    def forward(self, embeddings: Tensor, teacher: Tensor, anchors: Tensor | None = None) -> Tensor:
        """The loss (); 0 with a gradient of 0 where B is below 2.

        Args:
            embeddings: (B, D), the student's embeddings, float, finite.
            teacher: (B, E), the teacher's embeddings of the same pictures; they get no gradient.
            anchors: (K, E), teacher's embeddings that all rows are compared with in place of each other; D must be E,
                K 2 or more. They get no gradient.

        Raises:
            BadInput: A value is not finite, or shapes do not fit.
        """
        numbers = torch.arange(len(embeddings), device=getattr(embeddings, "device", None))
        check_batch(embeddings, numbers)
        check_batch(teacher, numbers, "teacher")
        if self.gather:
            embeddings, _ = gathered(embeddings, numbers)
            teacher, _ = gathered(teacher.detach(), numbers)
        if anchors is not None:
            check_batch(anchors, torch.arange(len(anchors), device=anchors.device), "anchors")
            if len(anchors) < 2 or anchors.shape[1] != teacher.shape[1]:
                shapes = f"{tuple(anchors.shape)}, the teacher's {tuple(teacher.shape)}"
                raise BadInput(f"anchors are {shapes}; give 2 or more vectors of the same teacher")
        if (self.regression or anchors is not None) and teacher.shape[1] != embeddings.shape[1]:
            widths = f"{embeddings.shape[1]} and {teacher.shape[1]}"
            what = "regression compares" if anchors is None else "anchors are compared with"
            raise BadInput(f"{what} embeddings and teacher of the widths {widths}; make them equal")
        if len(embeddings) < 2:
            self.stats = {"empty_batches": self.stats["empty_batches"] + 1}
            return (embeddings * 0).sum()
        with torch.autocast(embeddings.device.type, enabled=False):
            kind = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
            student, master = embeddings.to(kind), teacher.detach().to(kind)
            ours, theirs = self._similarities(student, master, None if anchors is None else anchors.detach().to(kind))
            divergence = nn.functional.kl_div(
                ours.log_softmax(dim=1), theirs.log_softmax(dim=1), reduction="batchmean", log_target=True
            )
            agreement = (ours.argmax(dim=1) == theirs.argmax(dim=1)).float().mean()
            value = divergence if self.unscaled else divergence * self.temperature**2
            if self.regression:
                value = value + self.regression * (1 - (normalize(student) * normalize(master)).sum(dim=1)).mean()
        empty = self.stats["empty_batches"]
        self.stats = {"divergence": float(divergence.detach()), "agreement": float(agreement), "empty_batches": empty}
        return value

    def _similarities(self, student: Tensor, teacher: Tensor, anchors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Cosines of student and teacher by their temperatures: (B, K) to anchors, or (B, B) without the diagonal."""
        warmth = self.temperature if self.teacher_temperature is None else self.teacher_temperature
        if anchors is not None:
            return cosine(student, anchors) / self.temperature, cosine(teacher, anchors) / warmth
        itself = torch.eye(len(student), dtype=torch.bool, device=student.device)
        ours, theirs = cosine(student, student) / self.temperature, cosine(teacher, teacher) / warmth
        return ours.masked_fill(itself, -1e4), theirs.masked_fill(itself, -1e4)

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
    """Mean over rows of KL(softmax(teacher's cosines / t) || softmax(student's cosines / t)), times t^2.

    Each row of the batch is compared with all other rows, not with itself. It is called with the student's and the
    teacher's embeddings of the same pictures, not with labels.

    Args:
        temperature: t, above 0.
        regression: Weight of an additional term, the mean of 1 - cosine(student, teacher), 0 or more. The term needs
            embeddings of equal dimension.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "divergence", "agreement" (share of rows whose nearest other row is the same for student and teacher),
            "empty_batches".
    """

    def __init__(self, temperature: float = 0.1, regression: float = 0.0, gather: bool = False) -> None:
        super().__init__()
        if not regression >= 0:
            raise BadInput(f"regression is {regression}; it must be 0 or more")
        self.temperature, self.regression, self.gather = positive_number("temperature", temperature), regression, gather
        self.stats: dict[str, float] = {"empty_batches": 0.0}

    def __repr__(self) -> str:
        return described(self)

    def forward(self, embeddings: Tensor, teacher: Tensor) -> Tensor:
        """The loss (); 0 with a gradient of 0 where B is below 2.

        Args:
            embeddings: (B, D), the student's embeddings, float, finite.
            teacher: (B, E), the teacher's embeddings of the same pictures; they get no gradient.

        Raises:
            BadInput: A value is not finite, or shapes do not fit.
        """
        numbers = torch.arange(len(embeddings), device=getattr(embeddings, "device", None))
        check_batch(embeddings, numbers)
        check_batch(teacher, numbers, "teacher")
        if self.gather:
            embeddings, _ = gathered(embeddings, numbers)
            teacher, _ = gathered(teacher.detach(), numbers)
        if self.regression and teacher.shape[1] != embeddings.shape[1]:
            widths = f"{embeddings.shape[1]} and {teacher.shape[1]}"
            raise BadInput(f"regression compares embeddings and teacher of the widths {widths}; make them equal")
        if len(embeddings) < 2:
            self.stats = {"empty_batches": self.stats["empty_batches"] + 1}
            return (embeddings * 0).sum()
        with torch.autocast(embeddings.device.type, enabled=False):
            kind = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
            student, master = embeddings.to(kind), teacher.detach().to(kind)
            itself = torch.eye(len(student), dtype=torch.bool, device=student.device)
            ours, theirs = ((cosine(x, x) / self.temperature).masked_fill(itself, -1e4) for x in (student, master))
            divergence = nn.functional.kl_div(
                ours.log_softmax(dim=1), theirs.log_softmax(dim=1), reduction="batchmean", log_target=True
            )
            agreement = (ours.argmax(dim=1) == theirs.argmax(dim=1)).float().mean()
            value = divergence * self.temperature**2
            if self.regression:
                value = value + self.regression * (1 - (normalize(student) * normalize(master)).sum(dim=1)).mean()
        empty = self.stats["empty_batches"]
        self.stats = {"divergence": float(divergence), "agreement": float(agreement), "empty_batches": empty}
        return value

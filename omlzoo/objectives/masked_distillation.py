"""iBOT (arXiv 2111.07832), with the choices of DINOv2 (arXiv 2304.07193) by argument."""

import math

import torch
from torch import Tensor, nn

from omlzoo.catalog import shared
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._assignment import entropies, sinkhorn
from omlzoo.objectives._objective import Objective
from omlzoo.objectives._self_distillation import (
    Centring,
    cross_entropy_of_views,
    follow,
    held_now,
    koleo,
    last_layers,
    teacher_shares,
    warm,
)

__all__ = ["IBOT"]


class IBOT(Objective):
    """DINO over pictures, and the same within a view for the patches that the student does not see.

    The value is DINO's, plus ``weight`` times the mean over global views and pictures of the mean over hidden patches
    of the cross-entropy of the teacher's shares of prototypes at the patch, which it sees, and the student's. Pictures
    without hidden patches count as 0. Patches have a centre of their own, which as in the authors' code follows all
    patches of the teacher (DINOv2's follows the hidden ones). With Sinkhorn the shares of all hidden patches together
    are made equal.

    Half of the pictures have hidden patches, in blocks of a tenth to a half of them, as in both papers. Schedules are
    steps and at most a share of the run, as in :class:`DINO`.

    Args:
        width: The dimension of the body's embedding.
        patch_width: The dimension of its tokens; None is ``width``. A run knows it.
        patches: The number of patches of a global view. A run knows it.
        prototypes: K. Small sets need fewer: 1,024 below 20,000 pictures, 4,096 below 100,000.
        weight: Of the patches' value, 0 or more.
        masked: Share of the pictures with hidden patches, in each view others.
        share: The smallest and the largest share of its patches that are hidden.
        temperature: The student's.
        teacher_temperature: The teacher's for pictures after its warm-up; above 0.07 training is unstable.
        patch_temperature: The teacher's for patches after its warm-up.
        start_temperature: Both at the first step.
        warmup: The number of steps of the warm-up, at most three tenths of the run.
        held_steps: For how many steps the prototypes stay as drawn, at most a tenth of the run.
        centring: "centre", or "sinkhorn" as an option of DINOv2.
        centre_momentum: Of both centres, in [0, 1).
        koleo: Weight of DINOv2's term that spreads the student's embeddings in each global view; its authors take 0.1.
        separate: Whether patches have a head of their own, as in DINOv2; a body whose tokens are not as wide as its
            embedding needs it.
        views: How many first views are global; the teacher sees these.
        momentum: Of the teacher, at first; DINOv2 takes 0.992.
        norm: Whether the head has batch norms; the authors have none.
        hidden: The dimension of the head's two hidden layers.
        bottleneck: The dimension in which the prototypes are.
        gather: Compute over the views of all processes.

    Attributes:
        centre: (K,), of pictures; part of the state dict.
        patch_centre: (K,), of patches; part of the state dict.
        stats: "teacher_entropy" (mean entropy of the teacher's outputs), "mean_entropy" (entropy of their mean, ln K
            where all prototypes are used), "agreement" (share of rows with the same largest prototype in two views),
            "patch_agreement" (the same of hidden patches), "hidden" (their share), "koleo", "empty_batches".
    """

    teacher = True
    kept = "teacher"
    takes = "tokens"
    at_least = 1
    centre: Tensor
    patch_centre: Tensor

    def __init__(
        self, width: int, patch_width: int | None = None, patches: int = 196, prototypes: int = 8192,
        weight: float = 1.0, masked: float = 0.5, share: tuple[float, float] = (0.1, 0.5), temperature: float = 0.1,
        teacher_temperature: float = 0.04, patch_temperature: float = 0.07, start_temperature: float = 0.04,
        warmup: int = 37_500, held_steps: int = 1_250, centring: Centring = "centre", centre_momentum: float = 0.9,
        koleo: float = 0.0, separate: bool = False, views: int = 2, momentum: float = 0.996, norm: bool = False,
        hidden: int = 2048, bottleneck: int = 256, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        low, high = share
        if prototypes < 2 or views < 1 or not 0 <= centre_momentum < 1 or centring not in ("centre", "sinkhorn"):
            raise BadInput(
                f"prototypes {prototypes} must be 2 or more, views {views} 1 or more, centre_momentum "
                f"{centre_momentum} in [0, 1), centring {centring!r} 'centre' or 'sinkhorn'"
            )
        if not 0 < low <= high < 1 or not 0 <= masked <= 1 or not weight >= 0:
            raise BadInput(
                f"share {tuple(share)} must rise within 0 and 1, masked {masked} be in [0, 1], weight {weight} 0 or "
                "more"
            )
        self.patch_width, self.patches, self.prototypes = patch_width or width, patches, prototypes
        if self.patch_width != width and not separate:
            raise BadInput(
                f"the embedding has {width} numbers and a patch {self.patch_width}; one head cannot take both: set "
                "separate to true"
            )
        self.weight, self.masked, self.share = weight, masked, (low, high)
        self.temperature = positive_number("temperature", temperature)
        self.teacher_temperature = positive_number("teacher_temperature", teacher_temperature)
        self.patch_temperature = positive_number("patch_temperature", patch_temperature)
        self.start_temperature = positive_number("start_temperature", start_temperature)
        self.warmup, self.held_steps, self.centring = warmup, held_steps, centring
        self.centre_momentum, self.koleo, self.separate = centre_momentum, koleo, separate
        self.views, self.teacher_views, self.momentum = views, views, momentum
        self.norm, self.hidden, self.bottleneck = norm, hidden, bottleneck
        self.register_buffer("centre", torch.zeros(prototypes))
        self.register_buffer("patch_centre", torch.zeros(prototypes))
        self._sharpness, self._patch_sharpness, self._held = teacher_temperature, patch_temperature, False

    def make_projector(self) -> nn.Module:
        """DINO's head for the embedding and the patches, or one for each, and the token of hidden patches."""
        widths = [self.width, self.hidden, self.hidden, self.bottleneck]
        made: nn.Module = shared("models._dense_heads", "MaskedPrototypes")(
            widths, self.patch_width, self.prototypes, self.patches, self.masked, self.share, self.norm, self.separate,
            self.koleo > 0,
        )  # fmt: skip
        return made

    def vectors(self, outputs: Tensor) -> Tensor:
        """The cosines of the embeddings to the prototypes."""
        return outputs[:, : self.prototypes]

    def begin_step(self, step: int, steps: int) -> None:
        """Set the teacher's temperatures, and whether the prototypes are held.

        Args:
            step: The number of the step, from 0.
            steps: The number of steps of the whole run.
        """
        start = self.start_temperature
        self._sharpness = warm(start, self.teacher_temperature, step, steps, self.warmup)
        self._patch_sharpness = warm(start, self.patch_temperature, step, steps, self.warmup)
        self._held = held_now(step, steps, self.held_steps)

    def held(self, projector: nn.Module) -> list[nn.Parameter]:
        """The prototypes of the student's projector, at first."""
        return last_layers(projector) if self._held else []

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        outputs = [self.vectors(view) for view in teacher]
        guesses = [(self.vectors(view) / self.temperature).log_softmax(dim=1) for view in student]
        targets = teacher_shares(outputs, self._sharpness, self.centre, self.centring)
        value = cross_entropy_of_views(targets, guesses)
        taught = [self._cells(view)[0] for view in teacher]
        patches, share, numbers = self._of_patches(student[: len(teacher)], taught)
        spread = value.new_zeros(())
        if self.koleo:
            first = self.prototypes
            spread = koleo([view[:, first : first + self.width] for view in student[: self.views]], ids)
        if self.training and self.centring == "centre":
            follow(self.centre, torch.cat(outputs), self.centre_momentum)
            follow(self.patch_centre, torch.cat(taught).flatten(0, 1), self.centre_momentum)
        same = (targets[0].argmax(dim=1) == guesses[1].argmax(dim=1)).float().mean()
        self._flat = math.log(self.prototypes) * (1 + self.weight * share) + self.koleo * spread.detach()
        self.note(**entropies(torch.cat(targets)), **numbers, agreement=same, koleo=spread)
        return value + self.weight * patches + self.koleo * spread

    def _cells(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """The cosines of the patches (B, S, K), and which were hidden (B, S) bool."""
        first = self.prototypes + (self.width if self.koleo else 0)
        cosines, mask = self.patches * self.prototypes, self.patches
        if view.shape[1] != first + cosines + mask:
            raise BadInput(
                f"IBOT was given rows of {view.shape[1]} numbers; those of a global view of {self.patches} patches "
                f"have {first + cosines + mask}"
            )
        cells = torch.unflatten(view[:, first : first + cosines], 1, (self.patches, -1))
        return cells, view[:, first + cosines :] > 0.5

    def _of_patches(self, student: list[Tensor], taught: list[Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The value of hidden patches, the share of pictures that have some, and numbers for the statistics."""
        found = [self._cells(view) for view in student]
        hidden = torch.cat([mask for _, mask in found])  # (V B, S)
        guessed = torch.cat([cells for cells, _ in found])[hidden] / self.temperature
        known = torch.cat(taught)[hidden]
        if self.centring == "sinkhorn":
            shares = sinkhorn(known / self._patch_sharpness) if len(known) else known
        else:
            shares = ((known - self.patch_centre.to(known.dtype)) / self._patch_sharpness).softmax(dim=1)
        each = -(shares * guessed.log_softmax(dim=1)).sum(dim=1)
        counts = hidden.sum(dim=1)
        rows = hidden.nonzero()[:, 0]
        value = (each / counts[rows]).sum() / len(hidden)
        numbers = {"hidden": hidden.float().mean()}
        if len(known):
            numbers["patch_agreement"] = (shares.argmax(dim=1) == guessed.argmax(dim=1)).float().mean()
        return value, (counts > 0).float().mean(), numbers

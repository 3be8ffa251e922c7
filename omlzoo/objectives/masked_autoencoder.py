"""MAE, masked autoencoders (arXiv 2111.06377)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import shared
from omlzoo.errors import BadInput
from omlzoo.objectives._objective import Objective

__all__ = ["MAE"]

EPSILON = 1e-6  # beside the variance of a patch


class MAE(Objective):
    """Pixels of the patches that the body did not see are guessed from those that it saw.

    The value is the mean squared error over the left-out patches, whose pixels are normalised by each patch's own mean
    and variance (with Bessel's correction, as in the authors' code); with several views it is the mean of theirs. One
    view is enough. The body is a plain vision transformer. Its vectors are poor before they are fine-tuned (a nearest
    neighbour on ImageNet finds 11 % at 81 % fine-tuned): a start for ``finetune``, not for search, and vectors that lie
    close together are no alarm.

    Args:
        width: The dimension of the body's embedding.
        patch_width: The dimension of its tokens; None is ``width``. A run knows it.
        pixels: Numbers of an image that a patch shows, 3 x height x width. A run knows it.
        share: The share of patches that are left out, above 0 and below 1.
        hidden: The dimension of the decoder's tokens, a multiple of 4 and of ``heads``.
        depth: The number of its blocks.
        heads: The number of its attention heads.
        scaled: Whether patches are normalised; the paper's better targets.
        gather: Compute over the views of all processes.

    Attributes:
        stats: "explained" (1 minus the error divided by that of guessing each patch's mean; 0 where nothing is
            learned), "empty_batches".
    """

    takes = "visible"
    least_views = 1
    can_collapse = False
    at_least = 1

    def __init__(
        self, width: int, patch_width: int | None = None, pixels: int = 768, share: float = 0.75, hidden: int = 512,
        depth: int = 8, heads: int = 16, scaled: bool = True, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if not 0 < share < 1 or depth < 1 or hidden % 4 or hidden % heads:
            raise BadInput(
                f"share {share} must be above 0 and below 1, depth {depth} 1 or more, hidden {hidden} a multiple of 4 "
                f"and of heads {heads}"
            )
        self.patch_width, self.pixels, self.share = patch_width or width, pixels, share
        self.hidden, self.depth, self.heads, self.scaled = hidden, depth, heads, scaled

    def make_projector(self) -> nn.Module:
        """The decoder, with one token for all patches that are left out and fixed positions."""
        made: nn.Module = shared("models._dense_heads", "PixelDecoder")(
            self.patch_width, self.pixels, self.share, self.hidden, self.depth, self.heads
        )
        return made

    def vectors(self, outputs: Tensor) -> Tensor:
        """The embeddings of what was seen."""
        return outputs[:, : self.width]

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        errors, simple = [], []
        for view in student:
            guessed, wanted = self._halves(view)
            middle = wanted.mean(dim=2, keepdim=True)
            if self.scaled:
                wanted = (wanted - middle) / (wanted.var(dim=2, keepdim=True) + EPSILON).sqrt()
                middle = torch.zeros_like(middle)
            errors.append((guessed - wanted).square().mean())
            simple.append((wanted - middle).square().mean().detach())
        value = torch.stack(errors).mean()
        self.note(explained=1 - value.detach() / (torch.stack(simple).mean() + EPSILON))
        return value

    def _halves(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """The guessed and the right pixels (B, M, pixels) of the patches that were left out."""
        rest = view[:, self.width :]
        if not rest.shape[1] or rest.shape[1] % (2 * self.pixels):
            raise BadInput(
                f"MAE was given rows of {view.shape[1]} numbers; they are {self.width} and twice {self.pixels} for "
                "each patch that was left out"
            )
        guessed, wanted = (torch.unflatten(half, 1, (-1, self.pixels)) for half in rest.chunk(2, dim=1))
        return guessed, wanted

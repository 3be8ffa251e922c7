"""Softmax over the cosines to one proxy per label, with a margin for the right one."""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, pi, sin
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs, check_codes

__all__ = ["ArcFaceLoss", "CosFaceLoss", "SubCenterArcFaceLoss"]

SMALLEST = 1e-7  # of a squared sine: below, its root has no gradient


class _MarginSoftmax(Loss):
    """Cross-entropy of scale x cosine, the right label's cosine lowered by :meth:`lowered`."""

    references = False

    def __init__(
        self,
        dim: int,
        n_labels: int,
        scale: float,
        label_smoothing: float,
        categories: Sequence[Any] | None,
        mlp: Sequence[int],
        sub_centers: int,
        gather: bool,
    ) -> None:
        super().__init__(gather)
        if dim < 1 or n_labels < 1 or sub_centers < 1 or any(width < 1 for width in mlp):
            raise BadInput(
                f"dim {dim}, n_labels {n_labels}, sub_centers {sub_centers}, mlp {mlp}: all must be 1 or more"
            )
        if not 0 <= label_smoothing < 1:
            raise BadInput(f"label_smoothing is {label_smoothing}; it must be 0 or more and below 1")
        if categories is not None and len(categories) != n_labels:
            raise BadInput(f"categories has {len(categories)} items; give one for each of the {n_labels} labels")
        self.n_labels, self.scale = n_labels, positive_number("scale", scale)
        self.label_smoothing, self.sub_centers = label_smoothing, sub_centers
        widths = [dim, *mlp]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.ReLU()] * bool(layers) + [nn.Linear(before, after)]
        self.mlp = nn.Sequential(*layers)
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_labels * sub_centers, widths[-1])))
        codes = {name: code for code, name in enumerate(dict.fromkeys(categories or ()))}
        self.categories: Tensor | None
        self.register_buffer("categories", torch.tensor([codes[name] for name in categories]) if categories else None)

    def __repr__(self) -> str:
        layers = [layer for layer in self.mlp if isinstance(layer, nn.Linear)]
        categories = "" if self.categories is None else f"<{int(self.categories.max()) + 1} categories>"
        return described(
            self,
            dim=str(layers[0].in_features if layers else self.weight.shape[1]),
            mlp=str([layer.out_features for layer in layers]) if layers else "",
            categories=categories,
        )

    def lowered(self, cosine: Tensor) -> Tensor:
        """The right labels' cosines (B,) with the margin."""
        raise NotImplementedError

    def compute(self, pairs: Pairs) -> Tensor | None:
        labels = check_codes(pairs.labels, self.n_labels)
        if not len(labels):
            return None
        rows = self.mlp(pairs.rows)
        similarity = cosine(rows, self.weight.to(rows.dtype))  # (B, n_labels x sub_centers)
        if self.sub_centers > 1:
            similarity = similarity.view(len(labels), self.n_labels, self.sub_centers).amax(dim=2)
        positions = torch.arange(len(labels), device=labels.device) * self.n_labels + labels
        right = similarity.detach().flatten().index_select(0, positions)  # (B,)
        self.note(accuracy=(right >= similarity.detach().amax(dim=1)).float().mean(), right_cosine=right.mean())
        with torch.enable_grad():
            low = self.lowered(right.requires_grad_())
            (slope,) = torch.autograd.grad(low.sum(), right)
        smoothing = self._spread(labels).to(similarity) * self.label_smoothing if self.label_smoothing else None
        values: Tensor = _CrossEntropy.apply(similarity, positions, low.detach(), slope, self.scale, smoothing)
        return values.mean()

    def _spread(self, labels: Tensor) -> Tensor:
        """Over which labels smoothing spreads, (B, n_labels) or (1, n_labels), each row with the sum 1."""
        if self.categories is None:
            return labels.new_ones(1, self.n_labels) / self.n_labels
        near = self.categories[labels][:, None] == self.categories[None, :]  # of the same category
        return near / near.sum(dim=1, keepdim=True)


class _CrossEntropy(torch.autograd.Function):
    """Of each row the cross-entropy of its logits, which are its cosines x scale, the right one lowered.

    Written out so that with many labels only one tensor (B, n_labels) is kept, and few are passed over.

    Args of forward:
        cosine: (B, n_labels).
        places: (B,), where the right ones stand in the flattened cosines.
        low: (B,), the right cosines with the margin.
        slope: (B,), its derivative by the right cosine.
        scale: Above 0.
        smoothing: The targets beside the right label, (B or 1, n_labels), or None.
    """

    @staticmethod
    def forward(
        ctx: Any, cosine: Tensor, positions: Tensor, low: Tensor, slope: Tensor, scale: float, smoothing: Tensor | None
    ) -> Tensor:  # fmt: skip
        logits = cosine * scale
        logits.view(-1).index_copy_(0, positions, low * scale)
        shares = logits.softmax(dim=1)
        losses = logits.amax(dim=1) - shares.amax(dim=1).log()  # log of the sum of exponentials
        share = torch.ones_like(losses) if smoothing is None else 1 - smoothing.sum(dim=1)
        losses -= share * scale * low
        if smoothing is not None:
            losses -= (logits * smoothing).sum(dim=1)
            shares -= smoothing
        shares.view(-1).index_add_(0, positions, -share.expand_as(slope))
        ctx.scale = scale
        ctx.save_for_backward(shares, positions, slope)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        pull, positions, slope = ctx.saved_tensors  # (B, n_labels): the gradient of the logits
        gradient = pull * (gradients[0] * ctx.scale)[:, None]
        flat = gradient.view(-1)
        flat.index_copy_(0, positions, flat.index_select(0, positions) * slope)
        return gradient, None, None, None, None, None


def _with_angle(cosine: Tensor, margin: float) -> Tensor:
    """cos(angle + margin); where that passes pi, cosine - margin x sin(margin), which falls on."""
    sine = (1 - cosine.square()).clamp(min=SMALLEST).sqrt()
    return torch.where(
        cosine > cos(pi - margin), cosine * cos(margin) - sine * sin(margin), cosine - margin * sin(margin)
    )


class ArcFaceLoss(_MarginSoftmax):
    """ArcFace (arXiv 1801.07698): the angle to the right label's proxy is enlarged by the margin.

    Args:
        dim: D, of the embeddings.
        n_labels: How many; labels are 0 to n_labels - 1.
        margin: In radians, from 0 to pi.
        scale: Of the cosines, above 0.
        label_smoothing: Share of the target that is spread over other labels, in [0, 1).
        categories: One for each label; smoothing then spreads within the label's category only.
        mlp: Widths of layers, with ReLU between, that the embedding goes through first; they are not part of the model.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels, D), the proxies; a parameter, train it with the model's.
        stats: "accuracy", "right_cosine" (means), "empty_batches".
    """

    def __init__(
        self, dim: int, n_labels: int, margin: float = 0.5, scale: float = 64.0, label_smoothing: float = 0.0,
        categories: Sequence[Any] | None = None, mlp: Sequence[int] = (), gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dim, n_labels, scale, label_smoothing, categories, mlp, 1, gather)
        self.margin = _angle(margin)

    def lowered(self, cosine: Tensor) -> Tensor:
        return _with_angle(cosine, self.margin)


class SubCenterArcFaceLoss(_MarginSoftmax):
    """Sub-center ArcFace (Deng et al., ECCV 2020): several proxies for each label, of which the nearest counts.

    Args:
        dim: D, of the embeddings.
        n_labels: How many; labels are 0 to n_labels - 1.
        margin: In radians, from 0 to pi.
        scale: Of the cosines, above 0.
        sub_centers: Proxies for each label.
        label_smoothing: Share of the target that is spread over other labels, in [0, 1).
        categories: One for each label; smoothing then spreads within the label's category only.
        mlp: Widths of layers that the embedding goes through first, as in ArcFaceLoss.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels x sub_centers, D), those of a label side by side; a parameter, train it with the model's.
        stats: "accuracy", "right_cosine" (means), "empty_batches".
    """

    def __init__(
        self, dim: int, n_labels: int, margin: float = 0.5, scale: float = 64.0, sub_centers: int = 3,
        label_smoothing: float = 0.0, categories: Sequence[Any] | None = None, mlp: Sequence[int] = (),
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dim, n_labels, scale, label_smoothing, categories, mlp, sub_centers, gather)
        self.margin = _angle(margin)

    def lowered(self, cosine: Tensor) -> Tensor:
        return _with_angle(cosine, self.margin)


class CosFaceLoss(_MarginSoftmax):
    """CosFace (arXiv 1801.09414): the cosine to the right label's proxy is lowered by the margin.

    Args:
        dim: D, of the embeddings.
        n_labels: How many; labels are 0 to n_labels - 1.
        margin: A difference of cosines, 0 or more.
        scale: Of the cosines, above 0.
        label_smoothing: Share of the target that is spread over other labels, in [0, 1).
        categories: One for each label; smoothing then spreads within the label's category only.
        mlp: Widths of layers that the embedding goes through first, as in ArcFaceLoss.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels, D), the proxies; a parameter, train it with the model's.
        stats: "accuracy", "right_cosine" (means), "empty_batches".
    """

    def __init__(
        self, dim: int, n_labels: int, margin: float = 0.35, scale: float = 64.0, label_smoothing: float = 0.0,
        categories: Sequence[Any] | None = None, mlp: Sequence[int] = (), gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dim, n_labels, scale, label_smoothing, categories, mlp, 1, gather)
        if not margin >= 0:
            raise BadInput(f"margin is {margin}; it must be 0 or more")
        self.margin = margin

    def lowered(self, cosine: Tensor) -> Tensor:
        return cosine - self.margin


def _angle(margin: float) -> float:
    if not 0 <= margin <= pi:
        raise BadInput(f"margin is {margin}; it must be an angle between 0 and pi")
    return margin

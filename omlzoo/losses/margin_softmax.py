"""Softmax losses over the cosines to a proxy of each label, with a margin for the right label."""

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

SMALLEST = 1e-7  # lower limit of a squared sine, whose root has no finite gradient at 0


class _MarginSoftmax(Loss):
    """Cross-entropy of the cosines times the scale, the right label's cosine reduced by :meth:`lowered`."""

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
        """The right labels' cosines (B,) with the margin applied."""
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
        """Shares of the labels in the smoothed part of the target, (B or 1, n_labels); each row sums to 1."""
        if self.categories is None:
            return labels.new_ones(1, self.n_labels) / self.n_labels
        near = self.categories[labels][:, None] == self.categories[None, :]  # of the same category
        return near / near.sum(dim=1, keepdim=True)


class _CrossEntropy(torch.autograd.Function):
    """The cross-entropy (B,) of the cosines times the scale, with the margin in the right label's cosine.

    It is a function of its own so that, with many labels, only one tensor (B, n_labels) is kept for the gradient and
    few passes over such tensors are needed.

    Arguments of ``forward``:
        cosine: (B, n_labels).
        positions: (B,), the positions of the right labels in the flattened cosines.
        low: (B,), the right labels' cosines with the margin.
        slope: (B,), the derivative of ``low`` by the right label's cosine.
        scale: Above 0.
        smoothing: (B or 1, n_labels), the part of the targets that is spread over labels; None for no smoothing.
    """

    @staticmethod
    def forward(
        ctx: Any, cosine: Tensor, positions: Tensor, low: Tensor, slope: Tensor, scale: float, smoothing: Tensor | None
    ) -> Tensor:  # fmt: skip
        logits = cosine * scale
        logits.view(-1).index_copy_(0, positions, low * scale)
        shares = logits.softmax(dim=1)
        losses = logits.amax(dim=1) - shares.amax(dim=1).log()  # the logarithm of the sum of exponentials
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
    """cos(angle + margin); where the sum exceeds pi, cosine - margin x sin(margin), which keeps decreasing."""
    sine = (1 - cosine.square()).clamp(min=SMALLEST).sqrt()
    return torch.where(
        cosine > cos(pi - margin), cosine * cos(margin) - sine * sin(margin), cosine - margin * sin(margin)
    )


class ArcFaceLoss(_MarginSoftmax):
    """ArcFace (arXiv 1801.07698): the angle to the right label's proxy is enlarged by the margin.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        margin: The angle that is added, in radians, from 0 to pi.
        scale: Factor of the cosines, above 0.
        label_smoothing: Share of the target that is spread evenly over all labels, in [0, 1).
        categories: The category of each label; smoothing then spreads over the labels of the right label's category
            only. None spreads over all labels.
        mlp: Output dimensions of linear layers, with ReLU between them, that are applied to the embeddings first. They
            belong to the loss and not to the model.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels, D), the proxies; a parameter that is trained together with those of the model.
        stats: "accuracy" (share of items nearest to a proxy of their label), "right_cosine" (mean cosine to it),
            "empty_batches".
    """

    def __init__(
        self, dim: int, n_labels: int, margin: float = 0.5, scale: float = 64.0, label_smoothing: float = 0.0,
        categories: Sequence[Any] | None = None, mlp: Sequence[int] = (), gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dim, n_labels, scale, label_smoothing, categories, mlp, 1, gather)
        self.margin = _angle(margin)

    def lowered(self, cosine: Tensor) -> Tensor:
        """The right labels\' cosines (B,) with the margin applied."""
        return _with_angle(cosine, self.margin)


class SubCenterArcFaceLoss(_MarginSoftmax):
    """Sub-center ArcFace (Deng et al., ECCV 2020): several proxies for each label, of which the nearest one counts.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        margin: The angle that is added, in radians, from 0 to pi.
        scale: Factor of the cosines, above 0.
        sub_centers: The number of proxies of each label, 1 or more.
        label_smoothing: Share of the target that is spread evenly over all labels, in [0, 1).
        categories: The category of each label; smoothing then spreads over the labels of the right label's category
            only. None spreads over all labels.
        mlp: Output dimensions of linear layers that are applied to the embeddings first, as in ArcFaceLoss.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels x sub_centers, D), the proxies, those of a label in consecutive rows; a parameter that is
            trained together with those of the model.
        stats: "accuracy" (share of items nearest to a proxy of their label), "right_cosine" (mean cosine to it),
            "empty_batches".
    """

    def __init__(
        self, dim: int, n_labels: int, margin: float = 0.5, scale: float = 64.0, sub_centers: int = 3,
        label_smoothing: float = 0.0, categories: Sequence[Any] | None = None, mlp: Sequence[int] = (),
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dim, n_labels, scale, label_smoothing, categories, mlp, sub_centers, gather)
        self.margin = _angle(margin)

    def lowered(self, cosine: Tensor) -> Tensor:
        """The right labels\' cosines (B,) with the margin applied."""
        return _with_angle(cosine, self.margin)


class CosFaceLoss(_MarginSoftmax):
    """CosFace (arXiv 1801.09414): the cosine to the right label's proxy is lowered by the margin.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        margin: The difference of cosines that is subtracted, 0 or more.
        scale: Factor of the cosines, above 0.
        label_smoothing: Share of the target that is spread evenly over all labels, in [0, 1).
        categories: The category of each label; smoothing then spreads over the labels of the right label's category
            only. None spreads over all labels.
        mlp: Output dimensions of linear layers that are applied to the embeddings first, as in ArcFaceLoss.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels, D), the proxies; a parameter that is trained together with those of the model.
        stats: "accuracy" (share of items nearest to a proxy of their label), "right_cosine" (mean cosine to it),
            "empty_batches".
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
        """The right labels\' cosines (B,) with the margin applied."""
        return cosine - self.margin


def _angle(margin: float) -> float:
    if not 0 <= margin <= pi:
        raise BadInput(f"margin is {margin}; it must be an angle between 0 and pi")
    return margin

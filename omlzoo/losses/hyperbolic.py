"""Contrastive loss in the Poincare ball (Hyp-ViT, arXiv 2203.10833)."""

from torch import Tensor

from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops import poincare
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.pairs import Pairs

__all__ = ["HyperbolicContrastive"]


class HyperbolicContrastive(Loss):
    """Mean over positive pairs of -log(exp(-d_p/t) / (exp(-d_p/t) + sum over negatives of exp(-d_n/t))), d hyperbolic.

    The loss maps the embeddings onto the ball, so that the model itself returns Euclidean vectors, which can be
    searched by their cosines. With two pictures of each label this is the authors' loss; with more, each positive pair
    is compared with all negatives of its anchor.

    Args:
        temperature: t, above 0.
        curvature: c of the ball, above 0; its radius is 1 / sqrt(c).
        clip: The L2 norm that larger norms are reduced to before the map, above 0. None if the embeddings are already
            points of the ball, as :class:`omlzoo.ops.poincare.PoincareHead` returns them.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "pairs" (the number of positive pairs used), means and hardest of "positive_distance" and
            "negative_distance", "empty_batches".
    """

    def __init__(
        self, temperature: float = 0.2, curvature: float = 0.1, clip: float | None = 2.3, gather: bool = False
    ) -> None:
        super().__init__(gather)
        self.temperature = positive_number("temperature", temperature)
        self.curvature = positive_number("curvature", curvature)
        self.clip = None if clip is None else positive_number("clip", clip)

    def compute(self, pairs: Pairs) -> Tensor | None:
        count = (pairs.positive & pairs.negative.any(dim=1, keepdim=True)).sum()
        if not count:
            return None
        points = self._points(pairs.rows)
        others = points if pairs.others is pairs.rows else self._points(pairs.others)
        distances = poincare.distances(points, others, self.curvature)
        values = against_negatives(-distances / self.temperature, pairs.positive, pairs.negative)
        self.note(pairs=count, **pairs.summary(distances, "distance"))
        return values.sum() / count

    def _points(self, vectors: Tensor) -> Tensor:
        return vectors if self.clip is None else poincare.to_ball(vectors, self.curvature, self.clip)

"""DenseCL, dense contrastive learning (arXiv 2011.09157)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import shared
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._contrast import KeyQueue, queue_contrast
from omlzoo.objectives._objective import Objective

__all__ = ["DenseCL"]


class DenseCL(Objective):
    """MoCo's contrast of pictures, and the same for every place of the feature map.

    Each place of the query's map has as its key the place of the teacher's map of the other view whose body's output is
    nearest to its own; the projections of both are compared, against a second queue of the means of the places'
    projections, one for each picture. The value is (1 - ``weight``) times the first contrast plus ``weight`` times the
    second. It needs no masks. Bodies with tokens of patches have these as their map.

    As in :class:`MoCo` the key is the first view and the query the last, and keys of the query's own picture are no
    negatives.

    Args:
        width: The dimension of the body's embedding.
        patch_width: The dimension of its feature map; None is ``width``. A run knows it.
        weight: Of the contrast of places, in [0, 1].
        queue: The number of keys of each queue. Take at most half of the number of pictures.
        temperature: Divides the cosines.
        momentum: Of the teacher, throughout.
        dim: The dimension of the projections.
        hidden: The dimension of the hidden layers; None is that of what they take. The authors' 2048 is both.
        gather: Compute over the views of all processes.

    Attributes:
        queue_of_keys: The queue of pictures; part of the state dict.
        queue_of_places: The queue of means of places; part of the state dict.
        stats: "positive_cosine", "negative_cosine", "accuracy" (share of queries nearest to their key), the same with
            "place_" before it for places, "empty_batches".
    """

    teacher = True
    takes = "map"
    teacher_views = 1
    unseen = 1
    two_views = True
    constant_momentum = True

    def __init__(
        self, width: int, patch_width: int | None = None, weight: float = 0.5, queue: int = 65_536,
        temperature: float = 0.2, momentum: float = 0.999, dim: int = 128, hidden: int | None = None,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if not 0 <= weight <= 1:
            raise BadInput(f"weight is {weight}; it must be in [0, 1]")
        self.patch_width, self.weight, self.queue = patch_width or width, weight, queue
        self.temperature = positive_number("temperature", temperature)
        self.momentum, self.dim, self.hidden = momentum, dim, hidden
        self.queue_of_keys, self.queue_of_places = KeyQueue(queue, dim), KeyQueue(queue, dim)

    def make_projector(self) -> nn.Module:
        """Two layers without batch norm for the embedding, and two others for each place."""
        made: nn.Module = shared("models._dense_heads", "PatchProjector")(
            self.width, self.patch_width, self.hidden, self.dim
        )
        return made

    def vectors(self, outputs: Tensor) -> Tensor:
        """The projections of the embeddings."""
        return outputs[:, : self.dim]

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        query, asked, seen = self._parts(student[-1])
        key, answers, known = self._parts(teacher[0])
        with torch.no_grad():
            near = _unit(seen).bmm(_unit(known).transpose(1, 2)).argmax(dim=2)  # (B, S) places of the teacher
            found = answers.gather(1, near[:, :, None].expand(-1, -1, self.dim))
        places = ids.repeat_interleave(asked.shape[1])
        whole, numbers = queue_contrast(query, key, ids, self.queue_of_keys, self.temperature)
        dense, others = queue_contrast(
            asked.flatten(0, 1), found.flatten(0, 1), places, self.queue_of_places, self.temperature
        )
        if self.training:
            self.queue_of_keys.add(key, ids)
            self.queue_of_places.add(answers.mean(dim=1), ids)
        if whole is None or dense is None:  # both queues have the same ids
            return None
        self._flat = (1 - self.weight) * numbers.pop("flat") + self.weight * others.pop("flat")
        self.note(**numbers, **{f"place_{name}": number for name, number in others.items()})
        return (1 - self.weight) * whole + self.weight * dense

    def _parts(self, view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The projection (B, dim), those of the places (B, S, dim), and the body's places (B, S, patch_width)."""
        whole, rest = view[:, : self.dim], view[:, self.dim :]
        each = self.dim + self.patch_width
        if not rest.shape[1] or rest.shape[1] % each:
            raise BadInput(
                f"DenseCL was given rows of {view.shape[1]} numbers; they are {self.dim} and {each} for each place"
            )
        count = rest.shape[1] // each
        places, maps = torch.split(rest, [count * self.dim, count * self.patch_width], dim=1)
        cells = torch.unflatten(places, 1, (count, self.dim)), torch.unflatten(maps, 1, (count, self.patch_width))
        return whole, *cells


def _unit(places: Tensor) -> Tensor:
    return nn.functional.normalize(places, dim=2)

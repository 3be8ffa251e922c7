"""PCL, prototypical contrastive learning (arXiv 2005.04966)."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from omlzoo.catalog import shared
from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.losses.proto_nce import ProtoNCE
from omlzoo.objectives._contrast import KeyQueue, queue_contrast
from omlzoo.objectives._objective import Objective, head
from omlzoo.ops.unit_rows import normalize

__all__ = ["PCL"]


class PCL(Objective):
    """MoCo's contrast plus the mean over granularities of ProtoNCE to clusters of the teacher's vectors.

    Before each epoch k-means divides the vectors of all pictures at several granularities, and within the epoch the
    prototypes stay. All of them stand in the denominator. In the authors' code it is 16,384 drawn ones and those of the
    batch once per picture, so that two pictures of one cluster are negatives of each other; here they are not. Scipy's
    k-means takes ten iterations and one start, theirs twenty and five.

    Args:
        width: The dimension of the body's embedding.
        version: 1 projects by one linear layer, 2 by two.
        prototypes: The numbers of clusters, one for each granularity; the authors' for 1.28 million pictures. Take from
            a fiftieth to a tenth of the number of pictures.
        queue: The number of past keys. Take at most half of the number of pictures.
        temperature: Divides the cosines, and the mean of the clusters' concentrations.
        alpha: Smooths the concentrations of small clusters.
        warmup: The share of the run before which there are no clusters; the authors' 20 epochs of 200.
        momentum: Of the teacher, throughout.
        dim: The dimension of the projection.
        seed: Seed of k-means.
        gather: Compute over the views of all processes.

    Attributes:
        losses: ProtoNCE for each granularity; prototypes and concentrations are part of the state dict.
        queue_of_keys: The queue; part of the state dict.
        stats: "positive_cosine", "negative_cosine", "accuracy" (share of queries nearest to their key), "clusters"
            (of all granularities), "prototype_accuracy" (share nearest to their prototype), "empty_batches".
    """

    teacher = True
    clusters = True
    teacher_views = 1
    unseen = 1
    two_views = True
    constant_momentum = True

    def __init__(
        self, width: int, version: Literal[1, 2] = 2, prototypes: Sequence[int] = (25_000, 50_000, 100_000),
        queue: int = 16_384, temperature: float = 0.2, alpha: float = 10.0, warmup: float = 0.1,
        momentum: float = 0.999, dim: int = 128, seed: int = 0, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if version not in (1, 2) or not prototypes or min(prototypes) < 2 or not 0 <= warmup <= 1:
            raise BadInput(
                f"version {version} must be 1 or 2, prototypes {tuple(prototypes)} one or more numbers from 2 on, "
                f"warmup {warmup} in [0, 1]"
            )
        self.version, self.prototypes, self.queue = version, tuple(prototypes), queue
        self.temperature, self.alpha = positive_number("temperature", temperature), alpha
        self.warmup, self.momentum, self.dim, self.seed = warmup, momentum, dim, seed
        self.losses = nn.ModuleList([ProtoNCE(dim, count, temperature, alpha) for count in self.prototypes])
        self.queue_of_keys = KeyQueue(queue, dim)
        self._share = 0.0  # of the run that is done
        self._ids, self._codes = (
            torch.empty(0, dtype=torch.long),
            torch.empty(len(self.prototypes), 0, dtype=torch.long),
        )
        self.train()

    def train(self, mode: bool = True) -> "PCL":
        """Set the mode, but for the prototypes, which a batch would move in training mode."""
        super().train(mode)
        self.losses.eval()
        return self

    def get_extra_state(self) -> dict[str, Any]:
        """Which cluster each picture is in, and how much of the run is done."""
        return {"ids": self._ids, "codes": self._codes, "share": self._share}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take them from such a state."""
        self._ids, self._codes, self._share = state["ids"], state["codes"], state["share"]

    def make_projector(self) -> nn.Module:
        """The projector of the version, without batch norm."""
        if self.version == 1:
            return head("Perceptron", [self.width, self.dim], last_bias=True)
        return head("Perceptron", [self.width, self.width, self.dim], norm=False, bias=True, last_bias=True)

    def begin_step(self, step: int, steps: int) -> None:
        """Keep how much of the run is done.

        Args:
            step: The number of the step, from 0.
            steps: The number of steps of the whole run.
        """
        self._share = (step + 1) / steps

    @property
    def looks_around(self) -> bool:
        """Not before the warm-up is over."""
        return self._share >= self.warmup

    @torch.no_grad()
    def begin_epoch(self, vectors: Tensor, ids: Tensor) -> None:
        """Divide all pictures into clusters, once the warm-up is over; a burst is where its first picture is.

        Args:
            vectors: (N, D), the teacher's projections of all pictures.
            ids: (N,), which picture each is.

        Raises:
            BadInput: A granularity has more clusters than half of the vectors.
        """
        if not self.looks_around:
            return
        if max(self.prototypes) > len(vectors) / 2:
            few = [max(2, len(vectors) // share) for share in (50, 25, 12)]
            raise BadInput(
                f"PCL has {max(self.prototypes)} prototypes for {len(vectors)} pictures; give at most half as many, "
                f"such as prototypes={few}"
            )
        place = self.queue_of_keys.bank.embeddings.device  # the vectors may come from elsewhere
        rows, ids = normalize(vectors.detach().float()).to(place), ids.to(place)
        order = ids.argsort(stable=True)
        first = torch.ones_like(order, dtype=torch.bool)
        first[1:] = ids[order][1:] != ids[order][:-1]
        self._ids, codes = ids[order][first], []
        for number, (count, loss) in enumerate(zip(self.prototypes, self._each(), strict=True)):
            found = shared("curation.kmeans", "clusters")(rows.cpu(), count, self.seed + number)
            code = np.empty(len(rows), dtype=np.int64)
            for cluster, members in enumerate(found.members):
                code[members] = cluster
            codes.append(torch.from_numpy(code).to(place))
            loss.fit(rows, codes[-1])
        self._codes = torch.stack(codes)[:, order][:, first]

    def _each(self) -> list[ProtoNCE]:
        return [loss for loss in self.losses if isinstance(loss, ProtoNCE)]

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        query, key = student[-1], teacher[0]
        value, numbers = queue_contrast(query, key, ids, self.queue_of_keys, self.temperature)
        if self.training:
            self.queue_of_keys.add(key, ids)
        parts = [] if value is None else [value]
        flat = numbers.pop("flat", query.new_zeros(()))
        self._flat = flat
        place = torch.searchsorted(self._ids.to(ids.device), ids)
        known = place < len(self._ids)
        known[known.clone()] = self._ids.to(ids.device)[place[known]] == ids[known]
        if known.any():
            codes = self._codes.to(ids.device)[:, place[known]]
            values = [loss(query[known], code) for loss, code in zip(self._each(), codes, strict=True)]
            parts.append(torch.stack(values).mean())
            counts = [loss.stats["known_labels"] for loss in self._each()]
            self._flat = flat + float(np.mean(np.log(counts)))
            right = float(np.mean([loss.stats["accuracy"] for loss in self._each()]))
            numbers = {
                **numbers,
                "clusters": query.new_tensor(sum(counts)),
                "prototype_accuracy": query.new_tensor(right),
            }
        if not parts:
            return None
        self.note(**numbers)
        return torch.stack(parts).sum()

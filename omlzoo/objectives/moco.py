"""MoCo, versions 1 (arXiv 1911.05722), 2 (arXiv 2003.04297) and 3 (arXiv 2104.02057)."""

from typing import Literal

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._contrast import KeyQueue, info_nce, masks, queue_contrast
from omlzoo.objectives._objective import Objective, head, ordered_pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["MoCo"]


class MoCo(Objective):
    """The student's query finds the teacher's key of another view among keys of other pictures.

    Versions 1 and 2 compare with a queue of past keys, in one direction: the key is the first view and the query the
    last, so the student need not see the first nor the teacher the others. Keys of the batch join the queue afterwards,
    and keys of the query's own picture, which a queue longer than an epoch holds, are no negatives; the authors' code
    has no such case. The authors' queue must be a multiple of the batch; this one takes any batch.

    Version 3 has no queue but a predictor, compares with the keys of the batch in both directions, and multiplies by
    twice the temperature, as its code does.

    Args:
        width: The dimension of the body's embedding.
        version: 1, 2 or 3. Version 1 projects by one linear layer, 2 by two without batch norm, 3 with batch norms.
        queue: The number of keys of versions 1 and 2. Take at most half of the number of pictures.
        temperature: Divides the cosines; None is 0.07, 0.2 and 1.0 in the versions' order, and 0.2 for a transformer in
            version 3.
        momentum: Of the teacher; None is 0.999 throughout, and from 0.99 on to 1 in version 3.
        dim: The dimension of the projection; None is 128, and 256 in version 3.
        hidden: The dimension of hidden layers; None is the width, and 4096 in version 3.
        transformer: Whether the body is a vision transformer, for which version 3 has one more layer in the projector
            and a batch norm at the end of the predictor.
        symmetric: Whether versions 1 and 2 compare in both directions, at the mean of both values.
        gather: Compute over the views of all processes.

    Attributes:
        predictor: The student's in version 3, trained with the model.
        queue_of_keys: The queue of versions 1 and 2; part of the state dict.
        stats: "positive_cosine", "negative_cosine", "accuracy" (share of queries nearest to their key),
            "empty_batches".
    """

    teacher = True

    def __init__(
        self, width: int, version: Literal[1, 2, 3] = 2, queue: int = 65_536, temperature: float | None = None,
        momentum: float | None = None, dim: int | None = None, hidden: int | None = None, transformer: bool = False,
        symmetric: bool = False, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if version not in (1, 2, 3):
            raise BadInput(f"version is {version}; MoCo has 1, 2 and 3")
        third = version == 3
        usual = {1: 0.07, 2: 0.2, 3: 0.2 if transformer else 1.0}[version]
        self.version, self.queue, self.transformer, self.symmetric = version, queue, transformer, symmetric
        self.temperature = positive_number("temperature", usual if temperature is None else temperature)
        self.momentum = momentum if momentum is not None else 0.99 if third else 0.999
        self.constant_momentum = not third
        self.dim = dim or (256 if third else 128)
        self.hidden = hidden or (4096 if third else width)
        last = "plain" if transformer else "none"
        widths = [self.dim, self.hidden, self.dim]
        self.predictor = head("Perceptron", widths, last_norm=last) if third else nn.Identity()
        self.queue_of_keys = None if third else KeyQueue(queue, self.dim)
        if not third:
            self.teacher_views, self.unseen = (None, 0) if symmetric else (1, 1)
            self.two_views = not symmetric

    def make_projector(self) -> nn.Module:
        """The projector of the version."""
        if self.version == 1:
            return head("Perceptron", [self.width, self.dim], last_bias=True)
        if self.version == 2:
            return head("Perceptron", [self.width, self.hidden, self.dim], norm=False, bias=True, last_bias=True)
        layers = 2 if self.transformer else 1
        return head("Perceptron", [self.width, *[self.hidden] * layers, self.dim], last_norm="plain")

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        if self.queue_of_keys is None:
            return self._within_the_batch(student, teacher, ids)
        pairs = ordered_pairs(len(teacher), len(student)) if self.symmetric else [(0, len(student) - 1)]
        found = [queue_contrast(student[s], teacher[t], ids, self.queue_of_keys, self.temperature) for t, s in pairs]
        if self.training:
            for key in sorted({t for t, _ in pairs}):
                self.queue_of_keys.add(teacher[key], ids)
        return self._mean([(value, numbers) for value, numbers in found if value is not None])

    def _within_the_batch(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        queries = [normalize(self.predictor(view)) for view in student]
        keys = [normalize(view) for view in teacher]
        pairs = ordered_pairs(len(keys), len(queries))
        found = [info_nce(queries[s] @ keys[t].T, self.temperature, *masks(ids)) for t, s in pairs]
        value = self._mean([(value, numbers) for value, numbers in found if value is not None])
        if value is None:
            return None
        factor = 2 * 2 * self.temperature  # the sum of both directions, times twice the temperature
        self._flat = factor * self.flat if self.flat is not None else None
        return factor * value

    def _mean(self, found: list[tuple[Tensor, dict[str, Tensor]]]) -> Tensor | None:
        """The mean of the values; the numbers of the first are noted."""
        if not found:
            return None
        numbers = found[0][1]
        self._flat = numbers.pop("flat")
        self.note(**numbers)
        return torch.stack([value for value, _ in found]).mean()

"""An extractor whose embedding is made of the pooled outputs of several stages of another one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from omlzoo.errors import BadEntry, BadInput
from omlzoo.models._derived import Derived, with_derived_facts
from omlzoo.models._extractor import Extractor, unit
from omlzoo.models._pooling import Pooling, pooled

__all__ = ["Layered", "with_layers"]

POOLINGS: tuple[Pooling, ...] = ("mean", "gem", "max")


class Layered(Derived):
    """The pooled maps of stages of another extractor, each divided by its L2 norm, one after the other.

    Earlier stages know colours, textures and letters, which later ones forget.

    Args:
        body: The extractor.
        dim: Dimension of all together.
        layers: Numbers of the stages, from 0, in the order in which their parts stand in the embedding.
        own: Whether the body's own embedding is the last part.
        pooling: How a map becomes a vector: "mean", "max", or "gem", the generalised mean (arXiv 1711.02512).
        power: Exponent of the generalised mean.
        normalize: Whether to divide the embedding by its L2 norm.

    Raises:
        BadInput: No layer is named and ``own`` is False, one is named twice, there is no such pooling, or the power is
            not above 0.
    """

    def __init__(
        self,
        body: Extractor,
        dim: int,
        layers: Sequence[int],
        own: bool = True,
        pooling: Pooling = "mean",
        power: float = 3.0,
        normalize: bool = False,
    ) -> None:
        if len(set(layers)) != len(layers) or not (layers or own) or min(layers, default=0) < 0:
            raise BadInput(f"layers is {list(layers)}; it must be different numbers of stages, from 0")
        if pooling not in POOLINGS or not power > 0:
            raise BadInput(f"pooling is {pooling!r} and power {power}; it must be {', '.join(POOLINGS)}, and above 0")
        super().__init__(body, dim, normalize, [*layers, own, POOLINGS.index(pooling), power])
        self.layers, self.own, self.pooling, self.power = tuple(layers), own, pooling, power

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs of the body, with the embedding of the stages.

        Raises:
            BadEntry: The stages have another dimension than the entry says.
        """
        maps, outputs = self.body.intermediate(images, self.layers)
        parts = [pooled(map_, self.pooling, self.power) for map_ in maps]
        embedding = torch.cat([unit(part) for part in (*parts, *([outputs["embedding"]] if self.own else []))], dim=1)
        if embedding.shape[1] != self.dim:
            raise BadEntry(f"dim is {self.dim}; the stages {list(self.layers)} give {embedding.shape[1]} numbers")
        return {**outputs, "embedding": embedding}


def with_layers(model: Extractor, layers: Sequence[int], own: bool, pooling: Pooling, power: float) -> Extractor:
    """The model with pooled outputs of its stages as the embedding, and an entry that says so.

    Args:
        model: The extractor, which has an entry.
        layers: Numbers of the stages, see :class:`Layered`.
        own: Whether the model's own embedding is the last part.
        pooling: How a map becomes a vector.
        power: Exponent of the generalised mean.

    Raises:
        BadInput: The model has no such stage or cannot be asked for its stages, or a setting is not allowed.
    """
    entry, first = model.entry, next(model.parameters())
    picture = torch.zeros(1, 3, *entry.preprocess.crop, device=first.device, dtype=first.dtype)
    with torch.no_grad():
        maps, outputs = model.eval().intermediate(picture, layers)
    dim = sum(map_.shape[1] for map_ in maps) + (outputs["embedding"].shape[1] if own else 0)
    longer = Layered(model, dim, layers, own, pooling, power, normalize=True)
    arguments = {
        "arch": entry.arch, "dim": dim, "arch_args": entry.arch_args, "layers": list(layers), "own": own,
        "pooling": pooling, "power": power,
    }  # fmt: skip
    return with_derived_facts(longer, model, "layered", arguments, f"pooled maps of the stages {list(layers)}")

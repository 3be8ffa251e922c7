"""An extractor whose embedding is a linear projection of another extractor's embedding."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.models._derived import Derived, with_derived_facts
from omlzoo.models._extractor import Extractor, unit
from omlzoo.models._linear_map import Projection

__all__ = ["Projected", "with_projection"]


class Projected(Derived):
    """An extractor with a linear projection after it. The projection takes the embedding before its normalisation.

    The weight of the projection is initialised as an orthogonal matrix, and its bias as zeros.

    Args:
        body: The extractor whose embedding is projected.
        dim: Dimension of the projected embedding.
        normalize: Whether to divide the projected embedding by its L2 norm.
        unit_input: Whether to divide the body's embedding by its L2 norm before it is projected.
    """

    def __init__(self, body: Extractor, dim: int, normalize: bool = False, unit_input: bool = False) -> None:
        super().__init__(body, dim, normalize)
        self.unit_input = unit_input
        self.project = nn.Linear(body.dim, dim)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The stages of the body, and the projection."""
        return [*self.body.stages(), [self.project]]

    def steps(self) -> list[Callable[[Any], Any]]:
        *steps, last = self.body.steps() or [self.body.embed]
        return [
            *steps,
            lambda hidden: last(hidden)["embedding"],
            lambda embedding: {"embedding": self._projected(embedding)},
        ]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.body.embed(images)
        return {**outputs, "embedding": self._projected(outputs["embedding"])}

    def _projected(self, embedding: Tensor) -> Tensor:
        found: Tensor = self.project(unit(embedding) if self.unit_input else embedding)
        return found


def with_projection(model: Extractor, projection: Projection, normalize: bool) -> Projected:
    """The model with a projection after it, with facts that are those of neither's file.

    Args:
        model: The extractor, which has an entry.
        projection: The projection of its embeddings.
        normalize: Whether to divide the projected embedding by its L2 norm.

    Raises:
        BadInput: The projection is for embeddings of another dimension, or the model has a projection already.
    """
    dim, width = projection.weight.shape
    if width != model.dim:
        raise BadInput(
            f"the projection takes {width} numbers and {model.entry.name} gives {model.dim}; learn it on its own"
        )
    if isinstance(model, Projected):
        raise BadInput(f"{model.entry.name} has a projection already; learn one on the model without it")
    longer = Projected(model, dim, normalize, projection.unit)
    longer.project.load_state_dict({"weight": projection.weight, "bias": projection.bias})
    arguments = {
        "arch": model.entry.arch, "dim": dim, "arch_args": model.entry.arch_args, "unit_input": projection.unit
    }  # fmt: skip
    with_derived_facts(longer, model, "projected", arguments, f"a projection to {dim} numbers")
    return longer

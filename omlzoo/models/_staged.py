"""A model that can be run stage by stage: until a stage, from it on, or with the maps of some stages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["Staged", "as_grid", "through"]


class Staged(nn.Module):
    """A module from images (B, 3, H, W) to named outputs, in stages.

    An architecture implements :meth:`stages`, and :meth:`steps` if it can be split between two of them.
    """

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The parts of the model in the order in which images pass through them, used to freeze the first ones."""
        raise NotImplementedError

    def steps(self) -> list[Callable[[Any], Any]]:
        """The computation of each of the :meth:`stages`, as one function per stage.

        The first function takes images (B, 3, H, W). Each of the others takes the result of the one before it, a tensor
        of B rows. The last one returns the named outputs. The list is empty if the architecture cannot be split.
        """
        return []

    def until(self, images: Tensor, stage: int) -> Tensor:
        """Run the stages before a given one.

        Args:
            images: Images (B, 3, H, W), normalised as :meth:`transforms` does.
            stage: Index of the first stage that is not run, from 1 to the number of stages - 1.

        Returns:
            The result of the last stage that was run, a tensor of B rows.

        Raises:
            BadInput: The architecture cannot be split there.
        """
        hidden: Tensor = through(self._cut(stage)[:stage], images)
        return hidden

    def intermediate(self, images: Tensor, stages: Sequence[int]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Feature maps after some of the stages, and the named outputs, without normalisation.

        Args:
            images: Images (B, 3, H, W).
            stages: Numbers of :meth:`stages`, from 0.

        Returns:
            A map (B, C, h, w) for each stage, in the order asked for, and the outputs of :meth:`embed`. Tokens of
            patches are a map of height 1, class and register tokens are left out.

        Raises:
            BadInput: The architecture cannot be split, or has no such stage.
        """
        steps = self.steps()
        if not steps or not all(0 <= stage < len(steps) for stage in stages):
            allowed = f"stages 0 to {len(steps) - 1}" if steps else "no stages that can be asked for"
            raise BadInput(f"stages is {list(stages)}; {type(self).__name__} has {allowed}")
        hidden: list[Tensor] = [images]
        for step in steps[:-1]:
            hidden.append(step(hidden[-1]))
        outputs: dict[str, Tensor] = steps[-1](hidden[-1])
        last = outputs.get("map", outputs.get("tokens"))
        if last is None:
            raise BadInput(f"stages is {list(stages)}; {type(self).__name__} says nothing of its feature map")
        maps = [*hidden[1:], last]
        return [self._as_map(maps[stage], last) for stage in stages], outputs

    def _as_map(self, hidden: Tensor, last: Tensor) -> Tensor:
        """The result of a stage as a map (B, C, h, w); ``last`` is the map, or the patches' tokens, at the end."""
        if hidden.ndim == 3:
            return hidden[:, hidden.shape[1] - last.shape[1] :].transpose(1, 2).unsqueeze(2)
        return hidden

    def _cut(self, stage: int) -> list[Callable[[Any], Any]]:
        steps = self.steps()
        if not 0 < stage < len(steps):
            allowed = f"between 1 and {len(steps) - 1}" if steps else "nowhere"
            raise BadInput(f"the stage is {stage}; {type(self).__name__} can be cut {allowed}")
        return steps


def through(steps: list[Callable[[Any], Any]], value: Any) -> Any:
    """The value after all steps, one after the other.

    Args:
        steps: Functions of one value.
        value: What the first one takes.
    """
    for step in steps:
        value = step(value)
    return value


def as_grid(outputs: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The feature map (B, C, h, w) float32 in named outputs, or the tokens of the patches in their places.

    Args:
        outputs: Named outputs, with "map" (B, C, h, w) or "tokens" (B, S, C).
        images: The images (B, 3, H, W), whose sides say how many rows the S patches have.

    Raises:
        BadInput: There is neither, or the patches are no grid of the images' shape.
    """
    if "map" in outputs:
        return outputs["map"].float()
    if "tokens" not in outputs:
        raise BadInput("the model gives no feature map and no tokens of patches; dense vectors need one of them")
    tokens = outputs["tokens"].float()
    height, width = images.shape[2:]
    count = tokens.shape[1]
    rows = round((count * height / width) ** 0.5)
    if rows < 1 or count % rows:
        raise BadInput(f"the model gives {count} tokens for {height} x {width} pixels, which are no grid of patches")
    return torch.unflatten(tokens.transpose(1, 2), 2, (rows, count // rows))

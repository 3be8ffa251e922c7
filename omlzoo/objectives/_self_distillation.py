"""What DINO and iBOT share: the teacher's shares of prototypes, their schedules, and KoLeo."""

from typing import Literal

import torch
from torch import Tensor, nn

from omlzoo.objectives._assignment import sinkhorn
from omlzoo.objectives._objective import ramp
from omlzoo.ops.unit_rows import normalize

__all__ = [
    "Centring", "cross_entropy_of_views", "follow", "held_now", "koleo", "last_layers", "teacher_shares", "warm",
]  # fmt: skip

Centring = Literal["centre", "sinkhorn"]
WARMUP, HELD = 0.3, 0.1  # the largest shares of the run that the temperature rises and the last layer is held


def warm(start: float, end: float, step: int, steps: int, warmup: int) -> float:
    """The teacher's temperature at a step, which rises for ``warmup`` steps, at most three tenths of the run.

    Args:
        start: That of the first step.
        end: That after the warm-up.
        step: The number of the step, from 0.
        steps: The number of steps of the whole run.
        warmup: The number of steps of the warm-up.
    """
    return ramp(start, end, step, min(warmup, int(WARMUP * steps)))


def held_now(step: int, steps: int, held: int) -> bool:
    """Whether the prototypes stay as they are in a step: in the first ``held``, at most a tenth of the run.

    Args:
        step: The number of the step, from 0.
        steps: The number of steps of the whole run.
        held: The number of steps.
    """
    return step < min(held, int(HELD * steps))


def last_layers(projector: nn.Module) -> list[nn.Parameter]:
    """The prototypes of a projector and their gains."""
    return [each for name, each in projector.named_parameters() if name.endswith(("prototypes", "gains"))]


def teacher_shares(outputs: list[Tensor], temperature: float, centre: Tensor, centring: Centring) -> list[Tensor]:
    """The teacher's shares of prototypes (B, K) in each view.

    Args:
        outputs: Its outputs (B, K), one for each view.
        temperature: Divides them.
        centre: (K,), is subtracted before that where ``centring`` is "centre".
        centring: "sinkhorn" makes the shares of all views together equal instead.
    """
    if centring == "sinkhorn":
        return list(torch.split(sinkhorn(torch.cat(outputs) / temperature), [len(view) for view in outputs]))
    middle = centre.to(outputs[0].dtype)
    return [((view - middle) / temperature).softmax(dim=1) for view in outputs]


def cross_entropy_of_views(targets: list[Tensor], guesses: list[Tensor]) -> Tensor:
    """The mean cross-entropy over rows and over pairs of a target's view and another view of the guesses.

    Args:
        targets: Shares (B, K), one for each of the first views.
        guesses: Logarithms of shares (B, K), one for each view.
    """
    total = torch.stack(targets).sum(dim=0)
    value = guesses[0].new_zeros(())
    for number, guess in enumerate(guesses):  # of the sum of all targets each view leaves out its own
        others = total - targets[number] if number < len(targets) else total
        value = value - (others * guess).sum()
    return value / (len(targets) * (len(guesses) - 1) * len(targets[0]))


@torch.no_grad()
def follow(centre: Tensor, outputs: Tensor, momentum: float) -> None:
    """Move a centre (K,) towards the mean of outputs (N, K).

    Args:
        centre: Is changed in place.
        outputs: The teacher's.
        momentum: How much of the centre stays.
    """
    centre.mul_(momentum).add_(outputs.mean(dim=0).to(centre), alpha=1 - momentum)


def koleo(embeddings: list[Tensor], ids: Tensor) -> Tensor:
    """The sum over views of -mean of log(distance to the nearest embedding of another picture); 0 without another.

    Args:
        embeddings: (B, D) for each view.
        ids: (B,), which picture each row is.
    """
    other = ids[:, None] != ids[None, :]
    known = other.any(dim=1)
    if not known.any():
        return embeddings[0].new_zeros(())
    values = []
    for view in embeddings:
        unit = normalize(view)
        nearest = (unit.detach() @ unit.detach().T).masked_fill(~other, -torch.inf).argmax(dim=1)
        far = nn.functional.pairwise_distance(unit, unit[nearest], eps=1e-8)
        values.append(-(far[known] + 1e-8).log().mean())
    return torch.stack(values).sum()

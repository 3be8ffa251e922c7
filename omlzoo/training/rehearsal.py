"""A rehearsal of a run before it begins: how long it will take, and how much memory."""

import copy
import resource
import sys
import time
from dataclasses import dataclass

import torch

from omlzoo.ops.all_gather import processes
from omlzoo.training.building import RunParts

__all__ = ["Estimate", "rehearse"]

STEPS, WORTH = 20, 100  # steps of a rehearsal, and of a run that is worth one


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        seconds: Duration of all its steps.
        memory: Bytes of the process at its largest during the rehearsal.
    """

    seconds: float
    memory: int

    def __str__(self) -> str:
        minutes = self.seconds / 60
        spans = ((1, "less than a minute"), (1.5, "about a minute"), (90, f"about {round(minutes)} minutes"))
        span = next((text for limit, text in spans if minutes < limit), f"about {minutes / 60:.1f} hours")
        return f"{span}, {self.memory / 1e9:.1f} GB of memory"


def rehearse(parts: RunParts, steps: int = STEPS) -> Estimate | None:
    """Take some steps with copies of model and optimizer; nothing of the run changes.

    Args:
        parts: The parts of the run.
        steps: Number of steps to take.

    Returns:
        What the run will take; None for runs of fewer than 100 steps, and in several processes.
    """
    total = parts.plan.epochs * len(parts.data.batches)
    if processes() > 1 or total < WORTH:
        return None
    work = copy.deepcopy(parts.step)
    work.body.train()
    if work.teacher is not None:
        work.teacher.in_mode_of(work.body)
    parts.data.batches.set_epoch(0)
    taken, begun = 0, 0.0
    with torch.random.fork_rng():
        for loaded, labels, rows, _ in parts.data.loader:
            if taken == 2:  # the first ones start workers and allocate
                begun = time.perf_counter()
            if len(labels):
                work.batch(parts.inputs.views(loaded), labels.to(work.device), rows, lambda: "the rehearsal")
            taken += 1
            if taken >= min(steps, len(parts.data.batches)):
                break
    if taken < 4:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Estimate((time.perf_counter() - begun) / (taken - 2) * total, memory)

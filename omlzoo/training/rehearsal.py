"""A rehearsal of a run before it begins: how long it will take, and how much memory."""

import copy
import logging
import resource
import sys
import time
from dataclasses import dataclass

import torch

from omlzoo.ops.all_gather import processes
from omlzoo.training.building import RunParts
from omlzoo.training.step_cost import step_cost
from omlzoo.training.time_left import in_words

__all__ = ["Estimate", "cost_facts", "rehearse"]

LOG = logging.getLogger(__name__)

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
        return f"{in_words(self.seconds)}, {self.memory / 1e9:.1f} GB of memory"


def cost_facts(parts: RunParts, rehearsed: bool) -> dict[str, str]:
    """What a run costs, said before its first step, as facts of its report.

    Args:
        parts: The parts of the run.
        rehearsed: Whether steps are taken to tell how long it will take.
    """
    facts = {}
    if (cost := step_cost(parts)) is not None:
        LOG.info("a step: %s", cost)
        facts["cost of a step"] = str(cost)
    if rehearsed and (estimate := rehearse(parts)) is not None:
        LOG.info("%s epochs of %s batches: %s", parts.plan.epochs, len(parts.data.batches), estimate)
        facts["estimated before the first step"] = str(estimate)
        torch.manual_seed(parts.plan.seed)
    return facts


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

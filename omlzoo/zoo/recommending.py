"""Naming checkpoints for a task, from facts alone: published figures, cost, licence, what is on this machine.

The rules stand in docs/weights.md, under "Which one to take".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import log2

from omlzoo.errors import BadInput, notice
from omlzoo.zoo.overview import Overview, overview
from omlzoo.zoo.tasks import Figure, check_task, figures, made_for, trained_on

__all__ = ["Recommendation", "recommend"]

DOUBLING = 0.05  # of a figure's share of the best; with ``cpu``, twice the images per second count as much
LEAST = 1e-9  # of a best figure that others are divided by


@dataclass(frozen=True)
class Recommendation:
    """A checkpoint and why it is named.

    Attributes:
        name: Name of the checkpoint.
        reasons: The facts that speak for it or against it, in words: figures, cost, licence, place.
    """

    name: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.reasons)}"


def recommend(
    task: str, *, cpu: bool = False, commercial: bool = False, offline: bool = False, count: int = 3
) -> list[Recommendation]:
    """Name checkpoints for a task, the first choice first.

    Args:
        task: What the pictures are: "products", "animals", "vehicles", "landmarks", "people", "faces", "image-text",
            "drawings" or "general".
        cpu: Whether the speed on a CPU counts; only checkpoints whose speed was measured are named then.
        commercial: Whether to leave out licences that forbid commercial use or are not known to allow it.
        offline: Whether to leave out checkpoints whose weights are not on this machine.
        count: How many to name, at least 1. Where fewer pass, that is said once.

    Raises:
        BadInput: There is no such task, ``count`` is below 1, or no checkpoint passes.
    """
    check_task(task)
    if count < 1:
        raise BadInput(f"count is {count}; it must be at least 1")
    known = overview()
    passing = [
        one
        for one in known
        if (one.entry.commercial is True or not commercial)
        and (not cpu or one.speed is not None)
        and (not offline or one.place is not None)
    ]
    chosen = _chosen(passing, task, cpu, count, _best(known))
    wishes = {"cpu": cpu, "commercial": commercial, "offline": offline}
    asked = ", ".join(name for name, wanted in wishes.items() if wanted)
    if not chosen:
        raise BadInput(f"no checkpoint of the zoo passes for {task}{f' with {asked}; leave one out' if asked else ''}")
    if len(chosen) < count:
        notice(f"only {len(chosen)} of {count} are named: no more pass for {task}{f' with {asked}' if asked else ''}")
    return [Recommendation(one.entry.name, _reasons(one, task)) for one in chosen]


def _chosen(passing: list[Overview], task: str, cpu: bool, count: int, best: dict[str, float]) -> list[Overview]:
    """By figures of the task; one place for what was made for it and has none; then by figures of general use."""
    able = [one for one in passing if task in one.tasks]
    measured = _ranked(able, task, cpu, best)
    trained = [one for one in able if task in made_for(one.entry) and one not in measured]
    trained.sort(key=lambda one: (not one.entry.commercial, one.place is None, -_size(one, cpu), one.entry.name))
    chosen = measured[:count]
    if trained and count > 1 and not any(task in made_for(one.entry) for one in chosen):
        chosen = [*measured[: count - 1], trained[0]]
    others = _ranked(passing, "general", cpu, best) if task != "image-text" else []  # words need a text tower
    for one in [*trained, *others]:
        if len(chosen) < count and one not in chosen:
            chosen.append(one)
    return chosen


def _ranked(able: Iterable[Overview], task: str, cpu: bool, best: dict[str, float]) -> list[Overview]:
    """Those with figures of the task, the best first; among equals what is here, then the smaller."""

    def merit(one: Overview) -> float:
        shares = [figure.metric.value / best[figure.benchmark.short] for figure in figures(one.entry, task)]
        return sum(shares) / len(shares) + (DOUBLING * log2(one.speed) if cpu and one.speed else 0)

    measured = [one for one in able if figures(one.entry, task)]
    return sorted(measured, key=lambda one: (-merit(one), one.place is None, one.entry.params, one.entry.name))


def _best(known: Iterable[Overview]) -> dict[str, float]:
    """The highest figure of each benchmark over the zoo."""
    best: dict[str, float] = {}
    for one in known:
        for figure in figures(one.entry):
            best[figure.benchmark.short] = max(best.get(figure.benchmark.short, LEAST), figure.metric.value)
    return best


def _size(one: Overview, cpu: bool) -> float:
    return (one.speed or 0) if cpu else one.entry.params


def _reasons(one: Overview, task: str) -> tuple[str, ...]:
    entry, found, trained = one.entry, figures(one.entry, task), task in made_for(one.entry)
    said = [f"no fact of it speaks of {task}"] * (task not in one.tasks)
    if trained:
        data = trained_on(entry)
        said.append(f"made for {task}{f', trained on {data}' if data else ''}")
    if found or not trained:
        said.append(_figures(found or figures(entry, "general")))
    else:
        said.append("no published figure for it")
    cost = [f"{one.speed:g} images/s on one core"] if one.speed else []
    cost += [f"{one.flops / 1e9:,.1f} GFLOPs"] if one.flops else []
    said.append(", ".join([*cost, f"{entry.params / 1e6:,.0f} M parameters"]))
    allowed = {True: "", False: ", which forbids commercial use", None: ", commercial use not known"}
    said.append(f"licence {entry.license or 'unknown'}{allowed[entry.commercial]}")
    return (*said, f"on this machine ({one.place})" if one.place else "to be fetched")


def _figures(found: list[Figure]) -> str:
    """Figures in words: "0.745 on SOP and 0.810 on In-Shop (cmc@1, OML)"."""
    groups = groupby(found, key=lambda figure: (figure.metric.metric, figure.metric.by))
    return ", ".join(
        f"{' and '.join(f'{f.metric.value:.3f} on {f.metric.dataset}' for f in group)} ({metric}, {by})"
        for (metric, by), group in groups
    )

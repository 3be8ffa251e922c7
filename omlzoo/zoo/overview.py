"""The zoo at a glance: the facts of each checkpoint that a choice rests on, and filters over them. No torch."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadInput
from omlzoo.zoo.costs import Cost, cost_of
from omlzoo.zoo.presence import place_of
from omlzoo.zoo.registry import list_models
from omlzoo.zoo.tasks import Figure, check_task, figures, tasks_of

__all__ = ["Overview", "number_of_params", "overview"]


@dataclass(frozen=True)
class Overview:
    """What a choice of a checkpoint rests on.

    Attributes:
        entry: All facts of the checkpoint.
    """

    entry: Entry

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that facts of the entry speak of, see :mod:`omlzoo.zoo.tasks`."""
        return tasks_of(self.entry)

    @cached_property
    def cost(self) -> Cost | None:
        """Operations and measured speed, or None where nobody has counted them."""
        return cost_of(self.entry)

    @property
    def flops(self) -> int | None:
        """Floating-point operations of one image."""
        return self.cost.flops if self.cost else None

    @property
    def speed(self) -> float | None:
        """Measured images per second, see :func:`omlzoo.zoo.costs.circumstances`."""
        return self.cost.speed if self.cost else None

    @cached_property
    def place(self) -> str | None:
        """Where the weights are on this machine, or None."""
        return place_of(self.entry)

    def figure(self, task: str | None = None) -> Figure | None:
        """The published figure that is shown: the first of the task if it has one, else the first of all."""
        found = figures(self.entry, task) or figures(self.entry)
        return found[0] if found else None

    def facts(self, local: bool = True) -> dict[str, Any]:
        """All of it as plain values.

        Args:
            local: Whether to look what is on this machine.
        """
        entry = self.entry
        here = {"offline": self.place is not None, "place": self.place} if local else {}
        return {
            "name": entry.name, "family": entry.family, "tasks": list(self.tasks), "arch": entry.arch,
            "dim": entry.dim, "params": entry.params, "size": entry.size, "image_size": list(entry.preprocess.crop),
            "license": entry.license, "commercial": entry.commercial, "text": entry.text is not None,
            "pinned": Weights(entry).pinned, "pin": entry.pin, **here, "flops": self.flops,
            "images_per_second": self.speed, "metrics": [asdict(m) for m in entry.metrics],
        }  # fmt: skip


def overview(
    pattern: str = "",
    *,
    task: str | None = None,
    text: bool | None = None,
    offline: bool | None = None,
    max_params: float | None = None,
    min_speed: float | None = None,
    **others: Any,
) -> list[Overview]:
    """The checkpoints of the zoo that pass all filters, by name.

    Args:
        pattern: Pattern of the names, with the wildcards ``* ? [ ]``.
        task: Only those of this task, one of :data:`omlzoo.zoo.tasks.TASKS`.
        text: True gives only those with a text tower, False only the others; None both.
        offline: True gives only those whose weights are on this machine, False only the others; None both.
        max_params: Only those with at most so many parameters.
        min_speed: Only those with a measured speed of at least so many images per second.
        **others: Filters of :func:`omlzoo.list_models`: family, license, arch, commercial, pinned.

    Raises:
        UnknownName: No checkpoint has that family, licence or architecture.
        BadInput: There is no such task, or a limit is no positive number.
    """
    for name, limit in {"max_params": max_params, "min_speed": min_speed}.items():
        if limit is not None and not 0 < limit < float("inf"):
            raise BadInput(f"{name} is {limit}; it must be a positive number")
    if task is not None:
        check_task(task)
    checks: list[Callable[[Overview], bool]] = [
        lambda one: task is None or task in one.tasks,
        lambda one: text is None or (one.entry.text is not None) == text,
        lambda one: max_params is None or one.entry.params <= max_params,
        lambda one: min_speed is None or (one.speed is not None and one.speed >= min_speed),
        lambda one: offline is None or (one.place is not None) == offline,
    ]
    found = [Overview(manifest.find(name)) for name in list_models(pattern, **others)]
    return [one for one in found if all(check(one) for check in checks)]


def number_of_params(text: str) -> float:
    """The number in "30M", "1.1B" or "25000000".

    Raises:
        BadInput: It is none of these forms.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d{1,2})?)\s*([kmb]?)", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise BadInput(f"max_params is {text[:100]!r}; it must be a number such as 30M, 1.1B or 25000000")
    return float(found[1]) * {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}[found[2].lower()]

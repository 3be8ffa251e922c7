"""What a pass through a checkpoint's architecture costs: counted operations and a measured speed, without torch.

``costs.json`` is written by ``benchmarks/zoo_speed.py``. Its keys are architectures with arguments and input size, so
that checkpoints of one architecture share a cost, and folders of one's own have it too.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omlzoo.checkpoints.entry import Entry
from omlzoo.jsonio import read_json

__all__ = ["COSTS", "SMALL_FLOPS", "SMALL_PARAMS", "Cost", "circumstances", "cost_of", "is_measured", "key_of"]

COSTS = Path(__file__).with_name("costs.json")
SMALL_PARAMS, SMALL_FLOPS = 100_000_000, 40_000_000_000  # what is neither small in one nor in the other is not measured


@dataclass(frozen=True)
class Cost:
    """The cost of one image.

    Attributes:
        flops: Floating-point operations of a forward pass; a multiplication and an addition are two.
        speed: Images per second on a CPU, as :func:`circumstances` says; None if it was not measured.
    """

    flops: int
    speed: float | None


def key_of(entry: Entry) -> str:
    """The key of an entry's architecture: its name, its arguments and the height and width of the input in pixels."""
    height, width = entry.preprocess.crop
    arguments = json.dumps(entry.arch_args, sort_keys=True) if entry.arch_args else ""
    return f"{entry.arch}{arguments} {height}x{width}"


def is_measured(params: int, flops: int) -> bool:
    """Whether the speed of an architecture belongs into ``costs.json``: it is small in one of two ways.

    Args:
        params: Number of its parameters.
        flops: Operations of one image.
    """
    return params < SMALL_PARAMS or flops < SMALL_FLOPS


def cost_of(entry: Entry) -> Cost | None:
    """The cost of an entry's architecture, or None if nobody has counted it."""
    found = _table()["costs"].get(key_of(entry))
    return None if found is None else Cost(found["flops"], found["images_per_second"])


def circumstances() -> dict[str, Any]:
    """How the speeds were measured: machine, threads, images per batch, number format, versions and date."""
    found: dict[str, Any] = _table()["measured"]
    return found


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = read_json(COSTS)
    return found

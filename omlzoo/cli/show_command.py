"""omlzoo show."""

from collections.abc import Mapping
from typing import Any

from omlzoo.cli.output import print_json, print_line
from omlzoo.zoo.registry import get_weights

__all__ = ["show_command"]


def show_command(name: str, *, json: bool = False) -> None:
    """Show all facts of one checkpoint.

    Parameters
    ----------
    name
        A checkpoint of the zoo, a run folder, or hf-hub:org/repo.
    json
        Print one JSON document.
    """
    weights = get_weights(name)
    if json:
        print_json({**weights.meta, "pinned": weights.pinned})
        return
    for key, value in {**weights.meta, "pinned": weights.pinned}.items():
        if key == "metrics":
            print_line("metrics")
            for m in weights.metrics:
                variant = f", {m.variant} preprocessing" if m.variant else ""
                print_line(f"  {m.metric} {m.value:.4f} on {m.dataset}: by {m.by} ({m.where}{variant})")
        else:
            print_line(f"{key:15} {_line(value)}")


def _line(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items()) or "-"
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)

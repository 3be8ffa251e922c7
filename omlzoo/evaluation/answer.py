"""The answer of a report: three numbers in plain words, with intervals and what they are compared with."""

from collections.abc import Mapping
from typing import Any

from omlzoo.metrics.bootstrap import Comparison
from omlzoo.pages.parts import Bar, Number

__all__ = ["answer", "answering", "of_hundred"]

Interval = tuple[float, float]


def of_hundred(value: float) -> str:
    """A share as so many of a hundred, with a decimal where whole numbers would say all or nothing, and be wrong."""
    text = f"{100 * value:.0f}"
    if text in ("0", "100") and text != f"{100 * value:g}":
        return f"{min(99.9, max(0.1, 100 * value)):.1f}"
    return text


def answer(
    metrics: Mapping[str, Any],
    intervals: Mapping[str, Interval],
    before: Mapping[str, Any] | None = None,
    before_intervals: Mapping[str, Interval] | None = None,
    comparison: Mapping[str, Comparison] | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Number]:
    """At most three numbers: the right item first, among the first few, and the share of an item's pictures found.

    Args:
        metrics: Values by metric.
        intervals: The two ends of the 95 % interval, by metric.
        before: Values of the model before, where there was one.
        before_intervals: Their intervals.
        comparison: Paired differences, by metric.
        baselines: Values of what needs no training, by its name and by metric.
    """
    numbers = []
    for metric, title, sentence in _asked(metrics):
        value, interval = metrics[metric], intervals.get(metric)
        bars = [Bar("after" if before else "this model", value, interval)]
        if before and _is_share(before.get(metric)):
            bars.append(Bar("before", before[metric], (before_intervals or {}).get(metric), "before"))
        for name, values in (baselines or {}).items():
            if _is_share(values.get(metric)):
                bars.append(Bar(name, values[metric], None, "baseline"))
        said = sentence.format(of_hundred(value))
        said += (
            f"; the truth lies between {of_hundred(interval[0])} and {of_hundred(interval[1])}." if interval else "."
        )
        if comparison and metric in comparison:
            said += f" {_change(comparison[metric])}"
        numbers.append(Number(title, metric, f"{100 * value:.1f}", said, bars))
    return numbers


def answering(metrics: Mapping[str, Any]) -> list[str]:
    """The names of the metrics that answer."""
    return [name for name, _, _ in _asked(metrics)]


def _asked(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, title and sentence of the metrics that answer, those that have a value."""
    ranks = sorted(int(name.removeprefix("cmc@")) for name in metrics if name.startswith("cmc@"))
    asked = []
    if ranks:
        first, last = ranks[0], ranks[-1]
        among = "first" if first == 1 else f"among the first {first}"
        asked.append((f"cmc@{first}", f"Right item {among}", f"Of 100 searches, {{}} find the right item {among}"))
        if last != first:
            text = f"Of 100 searches, {{}} have the right item among the first {last}"
            asked.append((f"cmc@{last}", f"Right item among {last}", text))
    asked.append((
        "r_precision", "Pictures of the item",
        "Of 100 pictures in a list as long as the item has pictures, {} are of the item",
    ))  # fmt: skip
    return [each for each in asked if _is_share(metrics.get(each[0]))]


def _change(found: Comparison) -> str:
    """The paired difference in words."""
    size = f"{100 * abs(found.difference):.1f}"
    ends = f"between {100 * found.low:+.1f} and {100 * found.high:+.1f}"
    if found.low <= 0 <= found.high:
        return f"Whether that is more or less than before cannot be told: {ends}."
    return f"That is {size} {'more' if found.difference > 0 else 'fewer'} than before ({ends})."


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value <= 1

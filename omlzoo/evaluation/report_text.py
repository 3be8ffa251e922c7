"""A report as lines of text: the five numbers that are looked at first, or all, and what should be looked at."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from omlzoo.metrics.bootstrap import Comparison
from omlzoo.pages.columns import columns

__all__ = ["FIRST", "GROUPS", "Measured", "report_lines", "report_rows"]

FIRST = ("cmc@1", "cmc@10", "map@r", "ap", "tar@far=0.001")  # found first, among ten, all of them, pairs told apart
BESIDE = ("knn@", "linear", "hp@", "image_to_text_recall@1", "text_to_image_recall@1")  # begin what was asked for
GROUPS = ("per_category", "per_label", "per_relevance")  # of metrics; the last are columns beside the others


class Measured(NamedTuple):
    """The numbers of a report, by metric.

    Attributes:
        metrics: Values; "per_relevance" has those by what counts as right.
        before: Values of the model before, if there is one.
        intervals: The two ends of 95 % of the draws.
        comparison: Paired differences.
        baselines: Values of vectors that need no training, by their name.
    """

    metrics: Mapping[str, Any]
    before: Mapping[str, Any] | None
    intervals: Mapping[str, tuple[float, float]]
    comparison: Mapping[str, Comparison]
    baselines: Mapping[str, Mapping[str, Any]]


def report_rows(measured: Measured, everything: bool = False) -> tuple[list[str], list[list[str]]]:
    """The headings, and the cells of each metric; columns without a value are left out.

    Args:
        measured: The numbers.
        everything: All metrics, not five.
    """
    names = [name for name in measured.metrics if name not in GROUPS]
    first = [name for name in names if name in FIRST or name.startswith(BESIDE)]
    rows, beside = [], {**measured.baselines, **measured.metrics.get("per_relevance", {})}
    for name in first if first and not everything else names:
        ends, change = measured.intervals.get(name), measured.comparison.get(name)
        rows.append([name, _shown(measured.before, name), _shown(measured.metrics, name),
                     "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}",
                     "" if change is None else f"{change.difference:+.4f} ({change.low:+.4f} to {change.high:+.4f})",
                     *(_shown(values, name) for values in beside.values()),
        ])  # fmt: skip
    header = ["metric", "before", "after" if measured.before else "value", "95 % of draws", "difference"]
    header += beside
    kept = [place for place in range(len(header)) if place in (0, 2) or any(row[place] for row in rows)]
    return [header[place] for place in kept], [[row[place] for place in kept] for row in rows]


def report_lines(
    measured: Measured, findings: Iterable[str], everything: bool = False, width: int | None = None
) -> list[str]:
    """The table of metrics and the findings, a line each.

    Args:
        measured: The numbers.
        findings: What should be looked at.
        everything: All metrics, not five.
        width: Columns of the terminal; None cuts nothing.
    """
    header, rows = report_rows(measured, everything)
    left = len([name for name in measured.metrics if name not in GROUPS]) - len(rows)
    lines = columns(header, rows, width) if rows else []
    lines += [f"and {left} more metrics"] * bool(left)
    return lines + [f"look: {text}" for text in findings]


def _shown(values: Mapping[str, Any] | None, name: str) -> str:
    value = (values or {}).get(name)
    return f"{value:.4f}" if isinstance(value, float) else str("" if value is None else value)

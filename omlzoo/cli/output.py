"""How results are printed: JSON, or lines in columns."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omlzoo.jsonio import to_json

if TYPE_CHECKING:
    from omlzoo.evaluation.report import Report

__all__ = ["best_metric", "print_columns", "print_json", "print_metrics", "print_report"]


def print_json(value: Any) -> None:
    """One JSON document."""
    print(to_json(value))


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under a header, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_metrics(metrics: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """A line per metric, with the value before where there is one."""
    names = [name for name in metrics if name not in ("per_category", "per_label")]
    columns = [("before", before)] if before else []
    columns += [("after" if before else "value", metrics)]
    rows = [[name, *(_shown(values.get(name)) for _, values in columns)] for name in names]
    print_columns(["metric", *(name for name, _ in columns)], rows)


def print_report(report: "Report") -> None:
    """Metrics with intervals and what changed, and what a person should look at."""
    rows = []
    for name, value in report.metrics.items():
        if name in ("per_category", "per_label"):
            continue
        ends, change = report.intervals.get(name), report.comparison.get(name)
        rows.append([name, _shown(report.before.get(name)) if report.before else "", _shown(value),
                     "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}",
                     "" if change is None else f"{change.difference:+.4f} ({change.low:+.4f} to {change.high:+.4f})",
        ])  # fmt: skip
    header = ["metric", "before", "value", "95 % of draws", "difference"]
    kept = [place for place in range(5) if place in (0, 2) or any(row[place] for row in rows)]
    print_columns([header[place] for place in kept], [[row[place] for place in kept] for row in rows])
    for finding in report.findings:
        print(f"look: {finding.text}")


def best_metric(metrics: Sequence[Any]) -> str:
    """The first retrieval figure of a checkpoint, else its first figure."""
    ranked = sorted(metrics, key=lambda metric: not metric.metric.startswith("cmc"))
    return f"{ranked[0].metric} {ranked[0].value:.3f} on {ranked[0].dataset} ({ranked[0].by})" if ranked else "-"


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str("" if value is None else value)

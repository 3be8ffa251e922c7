"""How results are printed: JSON, or lines in columns."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omlzoo.jsonio import to_json

if TYPE_CHECKING:
    from omlzoo.evaluation.report import Report

__all__ = ["best_metric", "print_columns", "print_json", "print_metrics", "print_report"]


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(to_json(value))


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, each column as wide as its widest cell.

    Args:
        header: The headings of the columns.
        rows: The cells of each row, as many as there are headings.
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_metrics(metrics: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """Print a line per metric, with the value before where there is one.

    Args:
        metrics: Values by metric.
        before: Values of the model before, by metric; no column by default.
    """
    names = [name for name in metrics if name not in ("per_category", "per_label")]
    columns = [("before", before)] if before else []
    columns += [("after" if before else "value", metrics)]
    rows = [[name, *(_shown(values.get(name)) for _, values in columns)] for name in names]
    print_columns(["metric", *(name for name, _ in columns)], rows)


def print_report(report: "Report") -> None:
    """Print the metrics with intervals and differences, and the findings."""
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
    kept = [column for column in range(5) if column in (0, 2) or any(row[column] for row in rows)]
    print_columns([header[column] for column in kept], [[row[column] for column in kept] for row in rows])
    for finding in report.findings:
        print(f"look: {finding.text}")


def best_metric(metrics: Sequence[Any]) -> str:
    """The first cmc metric of a checkpoint, else its first metric, as text."""
    ranked = sorted(metrics, key=lambda metric: not metric.metric.startswith("cmc"))
    return f"{ranked[0].metric} {ranked[0].value:.3f} on {ranked[0].dataset} ({ranked[0].by})" if ranked else "-"


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str("" if value is None else value)

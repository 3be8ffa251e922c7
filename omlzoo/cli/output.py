"""How results are printed: JSON, or lines in columns. Names and labels of strangers do not steer the terminal."""

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omlzoo.jsonio import to_json
from omlzoo.pages.labels import readable

if TYPE_CHECKING:
    from omlzoo.evaluation.report import Report

__all__ = ["best_metric", "print_columns", "print_json", "print_line", "print_metrics", "print_report"]

GROUPS = ("per_category", "per_label", "per_relevance")  # of metrics, which have columns of their own on a page


def print_line(text: object = "", error: bool = False) -> None:
    """Print a line.

    Args:
        text: The line.
        error: Print to standard error, not to standard output.
    """
    print(readable(str(text)), file=sys.stderr if error else sys.stdout, flush=True)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(readable(to_json(value)))


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, each column as wide as its widest cell.

    Args:
        header: The headings of the columns.
        rows: The cells of each row, as many as there are headings.
    """
    lines = [[readable(cell).replace("\n", "\\n") for cell in row] for row in [header, *rows]]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())


def print_metrics(metrics: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """Print a line per metric, with the value before where there is one.

    Args:
        metrics: Values by metric.
        before: Values of the model before, by metric; no column by default.
    """
    names = [name for name in metrics if name not in GROUPS]
    columns = [("before", before)] if before else []
    columns += [("after" if before else "value", metrics)]
    rows = [[name, *(_shown(values.get(name)) for _, values in columns)] for name in names]
    print_columns(["metric", *(name for name, _ in columns)], rows)


def print_report(report: "Report") -> None:
    """Print the metrics with intervals and differences, and the findings."""
    rows, beside = [], {**report.baselines, **report.metrics.get("per_relevance", {})}
    for name, value in report.metrics.items():
        if name in GROUPS:
            continue
        ends, change = report.intervals.get(name), report.comparison.get(name)
        rows.append([name, _shown(report.before.get(name)) if report.before else "", _shown(value),
                     "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}",
                     "" if change is None else f"{change.difference:+.4f} ({change.low:+.4f} to {change.high:+.4f})",
                     *(_shown(values.get(name)) for values in beside.values()),
        ])  # fmt: skip
    header = ["metric", "before", "value", "95 % of draws", "difference", *beside]
    kept = [column for column in range(len(header)) if column in (0, 2) or any(row[column] for row in rows)]
    print_columns([header[column] for column in kept], [[row[column] for column in kept] for row in rows])
    for finding in report.findings:
        print_line(f"look: {finding.text}")


def best_metric(metrics: Sequence[Any]) -> str:
    """The first cmc metric of a checkpoint, else its first metric, as text."""
    ranked = sorted(metrics, key=lambda metric: not metric.metric.startswith("cmc"))
    return f"{ranked[0].metric} {ranked[0].value:.3f} on {ranked[0].dataset} ({ranked[0].by})" if ranked else "-"


def _width(text: str) -> int:
    """Columns that a terminal gives a text: two for each wide character, none for marks on the one before."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str("" if value is None else value)

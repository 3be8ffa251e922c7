"""How results are printed: JSON, or lines in columns. Names and labels of strangers do not steer the terminal."""

import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omlzoo.jsonio import to_json
from omlzoo.pages.columns import columns
from omlzoo.pages.labels import readable

if TYPE_CHECKING:
    from omlzoo.evaluation.report import Report
    from omlzoo.training.run_folder import Run

__all__ = ["best_metric", "print_columns", "print_json", "print_line", "print_report", "print_run", "terminal_width"]


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
    """Print rows under a header, each column as wide as its widest cell, or as the terminal has room for.

    Args:
        header: The headings of the columns.
        rows: The cells of each row, as many as there are headings.
    """
    for line in columns(header, rows, terminal_width()):
        print(line)


def terminal_width() -> int | None:
    """Columns of the terminal that is printed to; None where the output goes elsewhere, and is never cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_report(report: "Report", everything: bool = False) -> None:
    """Print five metrics with intervals and differences, or all, and the findings.

    Args:
        report: The report.
        everything: Print all metrics.
    """
    for line in report.lines(everything, terminal_width()):
        print_line(f"{line}: --all" if line.startswith("and ") else line)


def print_run(run: "Run") -> None:
    """Print where a run is, which epoch was kept, and of how many."""
    facts = run.report.facts
    kept = f"epoch {facts['epoch kept']} kept, {facts['epochs']} epochs"
    print_line(f"\n{run.folder}: {kept}; {run.folder / 'report.html'} shows it")


def best_metric(metrics: Sequence[Any]) -> str:
    """The first cmc metric of a checkpoint, else its first metric, as text."""
    ranked = sorted(metrics, key=lambda metric: not metric.metric.startswith("cmc"))
    return f"{ranked[0].metric} {ranked[0].value:.3f} on {ranked[0].dataset} ({ranked[0].by})" if ranked else "-"

"""The page of a calibration: thresholds with their rates, chances over distance, reliability."""

from pathlib import Path

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.evaluation import plots
from omlzoo.files import new_file
from omlzoo.pages.parts import Heading
from omlzoo.pages.render import report_page

__all__ = ["write_page"]

COLUMNS = ("value", "of", "wrongly accepted (FAR)", "rightly accepted (TAR)")


def write_page(found: Calibration, path: str | Path) -> None:
    """Write one page.

    Args:
        found: The calibration.
        path: The file to write.
    """
    facts = [
        f"{found.queries} queries of {found.labels} labels",
        f"{found.same_pairs} positive and {found.other_pairs} negative pairs",
        f"weights: sha256 {found.sha256}",
        "Intervals are 95 % bootstrap intervals over labels.",
        f"Expected calibration error on the other half of the labels: isotonic {found.probability.isotonic_error:.4f}, "
        f"logistic {found.probability.logistic_error:.4f}, of {found.probability.hits} hits",
    ]
    charts = plots.drawn(plots.chances, found.probability)
    charts += plots.drawn(plots.reliability, found.probability.reliability)
    numbers = [
        (each.name, [f"{each.value:.4f} ({each.statistic})", each.of, _rate(each.wrong, each.wrong_interval),
                     _rate(each.right, each.right_interval)])
        for each in found.cut_points
    ]  # fmt: skip
    numbers += [(name, [f"{value:.4f}", "", "", ""]) for name, value in found.open_set.items()]
    rules = [(each.name, each.rule) for each in found.cut_points]
    heading = Heading("Calibration", table=found.table)
    page = report_page(heading, facts, numbers, COLUMNS, rules, [], charts, first="threshold or measure")
    with new_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _rate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.4f} ({interval[0]:.4f} to {interval[1]:.4f})"

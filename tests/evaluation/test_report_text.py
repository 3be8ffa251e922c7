"""A report as text: five numbers first, all on demand, intervals and findings beside them."""

from omlzoo.evaluation.findings import Finding
from omlzoo.evaluation.report import Report
from omlzoo.evaluation.report_text import FIRST
from omlzoo.metrics.bootstrap import Comparison

METRICS = {"cmc@1": 0.5, "cmc@5": 0.75, "cmc@10": 1.0, "map@r": 0.25, "queries": 4, "per_label": {"a": {}}}


def test_print_of_a_report_is_a_short_table() -> None:
    report = Report(METRICS, {}, intervals={"cmc@1": (0.25, 0.75)}, findings=(Finding("x", "two look alike", 2, ()),))
    assert str(report).splitlines() == [
        "metric  value   95 % of draws",
        "cmc@1   0.5000  0.2500 to 0.7500",
        "cmc@10  1.0000",
        "map@r   0.2500",
        "and 2 more metrics",
        "look: two look alike",
    ]


def test_everything_has_each_metric_and_what_was_before() -> None:
    report = Report(METRICS, {}, before={"cmc@1": 0.25}, comparison={"cmc@1": Comparison(0.25, 0.125, 0.375, 2, 1, 1)},
                    baselines={"raw pixels": {"cmc@1": 0.125}})  # fmt: skip
    lines = report.lines(everything=True)
    assert lines[0].split("  ")[0] == "metric"
    assert [line.split()[0] for line in lines[1:]] == ["cmc@1", "cmc@5", "cmc@10", "map@r", "queries"]
    assert lines[1].split() == ["cmc@1", "0.2500", "0.5000", "+0.2500", "(+0.1250", "to", "+0.3750)", "0.1250"]


def test_metrics_that_are_none_of_the_five_are_shown_where_there_are_no_others() -> None:
    assert str(Report({"precision@3": 0.5}, {})).splitlines()[1] == "precision@3  0.5000"
    assert str(Report({}, {})) == ""
    assert len(FIRST) == 5


def test_no_line_of_numbers_is_longer_than_the_terminal() -> None:
    report = Report(METRICS, {}, baselines={f"a baseline of a long name {number}": METRICS for number in range(4)})
    assert max(map(len, report.lines(width=80))) <= 80

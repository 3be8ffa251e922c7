"""The page shows what the report says: intervals, differences, findings, figures, and where a model looks."""

from pathlib import Path

import pytest
from toys import toy

import omlzoo
from omlzoo import plots


def test_the_page_of_a_comparison(drawn: Path, tmp_path: Path) -> None:
    report = omlzoo.evaluate(toy("vit_toy"), drawn, against=toy("vit_toy", seed=1))
    report.html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    low, high = report.intervals["cmc@1"]
    change = report.comparison["cmc@1"]
    for said in (f"{low:.4f} to {high:.4f}", f"{change.difference:+.4f}", "95 % of draws", "looks here", "alphabet3"):
        assert said in page
    for finding in report.findings:
        assert finding.text.split("'")[0][:40] in page
    assert page.count("<svg") == (4 if plots.can_draw() else 0)


def test_without_matplotlib_it_says_so(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "can_draw", lambda: False)
    omlzoo.evaluate(toy("vit_toy"), drawn).html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<svg" not in page
    assert "matplotlib is not installed" in page

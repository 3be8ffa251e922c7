"""The page shows what the report says: intervals, differences, findings, figures, and where a model looks."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from calibrations import CALIBRATION
from toys import toy

import omlzoo
from omlzoo.checkpoints.weights import Weights
from omlzoo.evaluation.report_page import category_table


def test_the_page_of_a_comparison(drawn: Path, tmp_path: Path) -> None:
    report = omlzoo.evaluate(toy("vit_toy"), drawn, against=toy("vit_toy", seed=1))
    report.html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    low, high = report.intervals["cmc@1"]
    change = report.comparison["cmc@1"]
    for said in (f"{low:.4f} to {high:.4f}", f"{change.difference:+.4f}", "95 % of draws", "looks here", "alphabet3"):
        assert said in page
    for finding in report.findings:
        assert finding.text.split("'")[0][1:40] in page
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])
    assert [chart["title"] for chart in charts] == [
        "Distances of pairs", "Accepted pairs", "Utility of one threshold", "Embeddings",
    ]  # fmt: skip
    assert page.count("data-chart=") == len(charts)
    assert page.index("Of 100 searches") < page.index("<h2>Queries that went worst") < page.index("<h2>All numbers")


def test_a_calibrated_model_shows_its_thresholds(drawn: Path, tmp_path: Path) -> None:
    model = toy("vit_toy")
    facts = model.weights
    assert isinstance(facts, Weights)
    model.weights = replace(facts, entry=replace(facts.entry, calibration=CALIBRATION))
    omlzoo.evaluate(model, drawn).html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Threshold far=0.001: 0.6000, at most 0.001 of other-label pairs" in page
    assert page.count("data-chart=") == 6


def test_categories_are_all_there_the_worst_first() -> None:
    values = {f"c{number}": {"queries": 2, "queries_without_relevant": 0, "cmc@1": 1 - number / 100, "map@r": 0.5}
              for number in range(30)}  # fmt: skip
    values["none"] = {"queries": 0, "queries_without_relevant": 1, "cmc@1": float("nan"), "map@r": float("nan")}
    earlier = {"per_category": {"c1": {"cmc@1": 0.25}}}
    head, rows = category_table({"per_category": values}, earlier)
    assert list(head) == ["category", "queries", "cmc@1", "before", "map@r"]
    assert [row[0] for row in rows] == [*(f"c{number}" for number in reversed(range(30))), "none"]
    assert list(rows[-3]) == ["c1", "2", "0.9900", "0.2500", "0.5000"]
    assert category_table({"cmc@1": 1.0}) == ((), ())


def test_it_can_be_read_on_a_phone(drawn: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    omlzoo.evaluate(toy("vit_toy"), drawn, against=toy("vit_toy", seed=1)).html(tmp_path / "report.html")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        view = browser.new_page(viewport={"width": 390, "height": 800})
        view.goto((tmp_path / "report.html").as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") <= 390, "only tables scroll sideways"
        assert view.evaluate("document.images.length") > 24
        assert view.locator("canvas").count() >= 4
        browser.close()

"""The page shows what the report says: intervals, differences, findings, figures, and where a model looks."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from calibrations import CALIBRATION
from toys import toy

import omlzoo
from omlzoo.checkpoints.weights import Weights
from omlzoo.evaluation import plots


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


def test_a_calibrated_model_shows_its_thresholds(drawn: Path, tmp_path: Path) -> None:
    model = toy("vit_toy")
    facts = model.weights
    assert isinstance(facts, Weights)
    model.weights = replace(facts, entry=replace(facts.entry, calibration=CALIBRATION))
    omlzoo.evaluate(model, drawn).html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Threshold far=0.001: 0.6000, at most 0.001 of other-label pairs" in page
    assert page.count("<svg") == (6 if plots.can_draw() else 0)


def test_without_matplotlib_it_says_so(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "can_draw", lambda: False)
    omlzoo.evaluate(toy("vit_toy"), drawn).html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<svg" not in page
    assert "matplotlib is not installed" in page


def test_it_can_be_read_on_a_phone(drawn: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    omlzoo.evaluate(toy("vit_toy"), drawn, against=toy("vit_toy", seed=1)).html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    asked = (
        "<script>document.title = [document.documentElement.scrollWidth, innerWidth, document.images.length]</script>"
    )
    (tmp_path / "asked.html").write_text(page.replace("</body>", asked + "</body>"))
    (tmp_path / "phone.html").write_text(
        '<iframe src="asked.html" width="390" height="800" onload="document.title = this.contentDocument.title"></iframe>'
    )
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", (tmp_path / "phone.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"<title>(\d+),(\d+),(\d+)</title>", done.stdout)
    assert found is not None, done.stdout[-500:]
    wide, screen, images = map(int, found.groups())
    assert wide <= screen <= 390, "only tables and rows of pictures scroll sideways"
    assert images > 24

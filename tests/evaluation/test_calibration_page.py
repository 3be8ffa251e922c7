"""The page of a calibration."""

from pathlib import Path

import pytest
from calibrations import CALIBRATION

from omlzoo.evaluation import plots
from omlzoo.evaluation.calibration_page import write_page


def test_it_has_every_threshold_its_rates_and_its_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page(CALIBRATION, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for said in (
        "far=0.001",
        "0.7000 (0.6000 to 0.8000)",
        "at most 0.1 of queries of unknown labels",
        "auroc distance",
        "wrongly accepted (FAR)",
        "rightly accepted (TAR)",
    ):
        assert said in page
    assert page.count("<svg") == (2 if plots.can_draw() else 0)
    monkeypatch.setattr(plots, "can_draw", lambda: False)
    write_page(CALIBRATION, tmp_path / "plain.html")
    assert "matplotlib is not installed" in (tmp_path / "plain.html").read_text()

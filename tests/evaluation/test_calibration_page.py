"""The page of a calibration."""

from pathlib import Path

from calibrations import CALIBRATION

from omlzoo.evaluation.calibration_page import write_page


def test_it_has_every_threshold_its_rates_its_rule_and_its_curves(tmp_path: Path) -> None:
    write_page(CALIBRATION, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for said in (
        "far=0.001",
        "0.6000 (distance)",
        "0.7000 (0.6000 to 0.8000)",
        "at most 0.1 of queries of unknown labels",
        "auroc distance",
        "wrongly accepted (FAR)",
        "rightly accepted (TAR)",
        '<th scope="col">threshold or measure</th><th scope="col">value</th>',
    ):
        assert said in page
    assert page.count("data-chart=") == 2

"""omlzoo check --quality: a line for each issue, and a page that shows the pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from omlzoo.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for name in ("good", "blurry"):
        photo = Image.fromarray(draw.integers(20, 235, (12, 12, 3)).astype(np.uint8)).resize((120, 120), 0)
        (photo.filter(ImageFilter.GaussianBlur(9)) if name == "blurry" else photo).save(tmp_path / f"{name}.png")
    Image.open(tmp_path / "good.png").resize((90, 90)).save(tmp_path / "copy.jpg", quality=80)
    (tmp_path / "cut.png").write_bytes((tmp_path / "blurry.png").read_bytes()[:4000])
    names = ["good.png", "blurry.png", "copy.jpg", "cut.png"]
    pd.DataFrame({"path": names, "label": "a", "split": "train"}).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def test_lines_and_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = folder / "quality.html"
    assert main(["check", str(folder / "t.csv"), "--quality", "--html", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("blurry"))
    assert row.split()[:3] == ["blurry", "1", "blurry.png"]
    row = next(line for line in lines if line.startswith("near copies"))
    assert row.split()[2:5] == ["2", "good.png", "copy.jpg"]
    assert "3 of 4 pictures have one of these; 2 are in 1 groups of near copies; 1 could not be read" in lines
    assert lines[-1].startswith("  cut.png: ")
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/") == 3
    assert "blurry: 1 pictures" in text
    assert "near copies: 2 pictures" in text


def test_a_page_without_quality_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder / "t.csv"), "--html", str(folder / "x.html")]) == 2
    assert "--html shows what --quality finds; give both" in capsys.readouterr().err
    assert not (folder / "x.html").exists()

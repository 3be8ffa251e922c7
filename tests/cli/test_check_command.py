"""omlzoo check: faults to a csv on request, and the number of rows with the number of lines."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from omlzoo.cli import main

HEADER = "path,label,split\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    return tmp_path


def test_all_faults_go_to_a_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.csv").write_text(HEADER + "".join(f"gone{number}.png,1,train\n" for number in range(1500)))
    assert main(["check", str(folder / "t.csv"), "--faults", str(folder / "faults.csv")]) == 2
    assert "and 500 more rows" in capsys.readouterr().err
    faults = pd.read_csv(folder / "faults.csv")
    assert faults["row"].tolist() == list(range(2, 1502))
    assert faults["value"].tolist() == [f"gone{number}.png" for number in range(1500)]


def test_without_faults_the_csv_has_a_header(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.csv").write_text(HEADER + "a.png,1,train\n\n")
    assert main(["check", str(folder / "t.csv"), "--faults", str(folder / "faults.csv")]) == 0
    assert "no faults; 1 row of 3 lines; train 1 picture of 1 label" in capsys.readouterr().out
    assert (folder / "faults.csv").read_text().splitlines() == ["row,column,value,remedy"]

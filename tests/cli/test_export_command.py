"""omlzoo export writes a file that another engine runs, and says how near it is."""

from pathlib import Path

import pytest
from toys import toy

from omlzoo.cli import main


def test_what_was_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy("resnet_toy").save(tmp_path / "m")
    assert main(["export", str(tmp_path / "m"), "-o", str(tmp_path / "m.pt")]) == 0
    assert "m.pt: images (batch, 3, " in capsys.readouterr().out
    assert (tmp_path / "m.pt").is_file()


def test_an_unknown_ending_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy("resnet_toy").save(tmp_path / "m")
    assert main(["export", str(tmp_path / "m"), "-o", str(tmp_path / "m.tflite")]) == 2
    assert ".onnx" in capsys.readouterr().err
    assert not (tmp_path / "m.tflite").exists()

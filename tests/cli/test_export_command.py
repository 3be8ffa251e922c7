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


def test_a_file_of_another_model_is_replaced_on_request_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy("resnet_toy").save(tmp_path / "m")
    toy("resnet_toy", seed=1).save(tmp_path / "n")
    out = str(tmp_path / "x.pt")
    for model, more, code, said in (
        ("m", [], 0, ""), ("m", [], 0, "x.pt held m and is replaced"), ("n", [], 2, "or overwrite (--overwrite)"),
        ("n", ["--overwrite"], 0, "is replaced"),
    ):  # fmt: skip
        assert main(["export", str(tmp_path / model), "-o", out, *more]) == code
        assert said in capsys.readouterr().err
    (tmp_path / "x.pt").write_bytes(b"weights of mine")
    assert main(["export", str(tmp_path / "m"), "-o", out, "--overwrite"]) == 2
    assert "was not written by export" in capsys.readouterr().err
    assert (tmp_path / "x.pt").read_bytes() == b"weights of mine"

"""omlzoo pretrain: flags of the recipe, preview, one line for what cannot be."""

from pathlib import Path

import pytest

from omlzoo.cli import main


def test_from_the_shell_to_an_entry(
    tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, run = str(drawn.parent / "images"), str(tmp_path / "run")
    words = ["pretrain", pictures, "--model", "resnet_small_omniglot", "-o", run, "--epochs", "1", "--image-size", "32"]
    words += ["--objective", "SimCLR", "--objective-args.temperature", "0.3", "--log", "none", "--no-alarm"]
    assert main([*words, "--n-labels", "16", "--precision", "fp32"]) == 0
    assert f"{run}: epoch 1 kept" in capsys.readouterr().out
    assert 'temperature" = 0.3' in Path(run, "recipe.toml").read_text()
    assert main(["show", run]) == 0
    assert "pre-trained without labels from resnet_small_omniglot" in capsys.readouterr().out


def test_a_preview_trains_nothing(tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "views"
    words = ["pretrain", str(drawn.parent / "images"), "--model", "resnet_small_omniglot", "-o", str(out), "--preview"]
    assert main(words) == 0
    assert "views.html shows ten pictures with their views" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--objective", "SimClr"], "SimCLR"),
        (["--scratch"], "from random weights a model needs 500 or more"),
        (["--views", "milt"], "views"),
        (["--objective", "SimCLR", "--objective-args.heat", "1"], "takes version, temperature, dim"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    base = ["pretrain", str(drawn.parent / "images"), "--model", "resnet_small_omniglot", "-o", str(tmp_path / "run")]
    assert main([*base, *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run" / "last.ckpt").exists()

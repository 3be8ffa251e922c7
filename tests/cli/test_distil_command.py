"""omlzoo distil, from the shell to an entry."""

from pathlib import Path

import pytest
from toys import toy

import omlzoo
from omlzoo.cli import main
from omlzoo.models._extractor import Extractor


def test_it_teaches_and_says_how_good_the_teacher_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    model.save(tmp_path / "student")
    toy("vit_toy").save(tmp_path / "teacher")
    words = ["distil", drawn, "--model", tmp_path / "student", "--teacher", tmp_path / "teacher", "-o", tmp_path / "run",
             "--epochs", 1, "--n-taught", 40, "--teacher-args.queue", 20, "--log", "none", "--workers", 0]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr()
    assert "teacher's cmc@1 " in said.out
    assert f"{tmp_path / 'run'}: epoch 1 kept" in said.out
    assert omlzoo.get_model(tmp_path / "run").dim == model.dim
    assert '"queue" = 20' in (tmp_path / "run/recipe.toml").read_text()
    words[words.index("--n-taught") + 1] = 1
    assert main([str(word) for word in words]) == 2
    assert capsys.readouterr().err == "omlzoo: n_taught is 1; it must be a whole number, 2 or more\n"

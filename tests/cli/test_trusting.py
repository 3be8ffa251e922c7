"""--trust: in each command that opens a folder, for that command alone."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from own_package import write_package
from toys import PREPROCESS

import omlzoo
from omlzoo.cli import main
from omlzoo.models._trust import PROCESS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write_package(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    omlzoo.wrap(import_module("mypackage.nets").Net(), preprocess=PREPROCESS).save(tmp_path / "saved")
    yield tmp_path / "saved"
    for name in [name for name in sys.modules if name.partition(".")[0] == "mypackage"]:
        del sys.modules[name]


def test_a_class_is_imported_only_for_the_command_that_trusts(
    folder: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent
    commands: list[list[Any]] = [
        ["embed", folder, drawn, "-o", out / "e.parquet"],
        ["evaluate", folder, drawn],
        ["calibrate", folder, drawn, "--far", 0.1],
        ["export", folder, "-o", out / "model.pt"],
        ["finetune", drawn, "--model", folder, "-o", out / "run", "--epochs", 1, "--n-labels", 4, "--n-instances", 2],
    ]  # fmt: skip
    for command in commands:
        words = [str(word) for word in command]
        for wrong in ([], ["--trust", "my"]):
            assert main([*words, *wrong]) == 2
            assert "--trust mypackage" in capsys.readouterr().err
        assert main([*words, "--trust", "mypackage"]) == 0, capsys.readouterr().err
        assert not PROCESS
        capsys.readouterr()
    assert main(["index", str(out / "e.parquet"), "-o", str(out / "index")]) == 0
    picture = str(next((drawn.parent / "images").rglob("*.png")))
    assert main(["search", str(out / "index"), picture]) == 2
    assert main(["search", str(out / "index"), picture, "--trust", "mypackage"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("word", ["*", "", "true/../x"])
def test_what_is_no_package_is_refused(word: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder), "-o", "x.pt", "--trust", word]) == 2
    assert "must name the package" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["embed", "search", "evaluate", "calibrate", "serve", "finetune", "export"])
def test_each_command_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([command, "--help"])
    assert "--trust" in capsys.readouterr().out

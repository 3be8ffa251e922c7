"""The list of commands: every file has its line and group, and an interrupted one says how to go on."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from places import PROJECT

import omlzoo
from omlzoo import cli
from omlzoo.cli import COMMANDS, INTERRUPTED, main
from omlzoo.embedding.embeddings import Embeddings

NAMES = [name for lines in COMMANDS.values() for name in lines]


def test_every_command_has_a_line_below_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    files = {path.name.removesuffix("_command.py") for path in (PROJECT / "omlzoo/cli").glob("*_command.py")}
    assert files == set(NAMES)
    for title, lines in COMMANDS.items():
        assert f" {title} " in out
        for name, line in lines.items():
            assert f"{name} " in out
            assert line in out, "whole, at 80 columns"


def test_the_help_of_one_command_is_that_of_its_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--help"]) == 0
    assert "Exit code 2 where a file is broken." in capsys.readouterr().out


def test_an_interrupted_command_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(given: list[str], **_: object) -> int:
        if given[0] == "finetune":
            return INTERRUPTED
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "commands", lambda described: interrupted)
    said = {}
    for given in (["finetune", "a b.csv", "-o", "r"], ["embed", "m", "p", "-o", "e"], ["tidy", "e"]):
        assert main(given) == INTERRUPTED
        said[given[0]] = capsys.readouterr().err.strip()
    assert said["finetune"] == "omlzoo: interrupted; go on with: omlzoo finetune 'a b.csv' -o r --resume"
    assert said["embed"].endswith("what was finished is kept; go on with: omlzoo embed m p -o e")
    assert said["tidy"] == "omlzoo: interrupted; what was finished is kept"


@pytest.mark.parametrize("name", ["out.npy", "out.csv", "v.PT"])
def test_vectors_are_written_under_no_other_ending(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    assert main(["embed", "vits16_dino", str(tmp_path), "-o", str(tmp_path / name)]) == 2
    assert "vectors are written as .parquet, or as a folder" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_folder_is_searched_for_and_an_index_that_moved_is_told_where(
    capsys: pytest.CaptureFixture[str], drawn_embeddings: Embeddings, tmp_path: Path
) -> None:
    omlzoo.build_index(drawn_embeddings).save(tmp_path / "i")
    (tmp_path / "photos").mkdir()
    first = Path(drawn_embeddings.record.root) / drawn_embeddings.table["path"][0]
    (tmp_path / "photos" / "a.png").write_bytes(first.read_bytes())
    assert main(["search", str(tmp_path / "i"), str(tmp_path / "photos"), "-k", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3, "a header and two hits"
    assert main(["search", str(tmp_path / "i"), str(tmp_path / "photos"), "b.png"]) == 2
    assert "is a folder; search for one folder, or for pictures" in capsys.readouterr().err
    page = tmp_path / "h.html"
    assert (
        main(["search", str(tmp_path / "i"), str(first), "-k", "2", "--root", str(tmp_path), "--html", str(page)]) == 0
    )
    assert f"2 of 2 hits are not to be found below {tmp_path}" in capsys.readouterr().err


def test_nothing_in_a_list_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "nothing*"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no checkpoint is like that" in err


def test_more_than_there_is_cannot_be_selected_in_silence(
    capsys: pytest.CaptureFixture[str], drawn_embeddings: Embeddings, tmp_path: Path
) -> None:
    drawn_embeddings.save(tmp_path / "e.parquet")
    assert main(["select", str(tmp_path / "e.parquet"), "-n", "1000", "-o", str(tmp_path / "c.csv")]) == 0
    assert "--count is 1,000, more than the 160 with a vector, so all are chosen" in capsys.readouterr().err


def test_a_run_says_of_how_many_epochs_one_was_kept(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"epoch kept": 2, "epochs": "3 of 20, interrupted"}
    cli.output.print_run(SimpleNamespace(folder=Path("r"), report=SimpleNamespace(facts=facts)))  # type: ignore[arg-type]
    assert "r: epoch 2 kept, 3 of 20, interrupted epochs;" in capsys.readouterr().out

"""Own parts on the command line: a flag's name is imported, a file's only with --trust."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toys import toy

from omlzoo.cli import main
from omlzoo.models._trust import PROCESS
from omlzoo.training import Recipe

QUICK = ["--epochs", "2", "--n-labels", "4", "--n-instances", "3", "--augment", "none", "--log", "none",
         "--precision", "fp32", "--no-duplicates"]  # fmt: skip


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file of the user's own in the folder where the command runs."""
    name = f"mine_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(
        "def spread(embeddings, labels):\n    return embeddings.square().mean()\n"
        "class Stop:\n    def __init__(self, at):\n        self.at = at\n"
        "    def on_epoch(self, run):\n        return 'stop' if run.epoch >= self.at else None\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    before = set(PROCESS)
    yield name
    PROCESS.clear()
    PROCESS.update(before)


def test_a_flag_is_the_users_word_and_a_file_is_not(
    package: str, tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy("resnet_toy").save(tmp_path / "start")
    command = ["finetune", str(drawn), "--model", str(tmp_path / "start"), "--device", "cpu", *QUICK]
    own = ["--loss", f"{package}:spread", "--callbacks", f"{package}:Stop(at=1)"]
    assert main([*command, *own, "-o", str(tmp_path / "run")]) == 0
    kept = Recipe.read(tmp_path / "run" / "recipe.toml")
    assert (kept.loss, kept.miner, kept.callbacks) == (f"{package}:spread", "none", [f"{package}:Stop(at=1)"])
    config = [
        "finetune",
        str(drawn),
        "--model",
        str(tmp_path / "start"),
        "--config",
        str(tmp_path / "run" / "recipe.toml"),
    ]
    capsys.readouterr()
    assert main([*config, "-o", str(tmp_path / "again")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert f"--trust {package}" in said[0]
    assert not (tmp_path / "again").exists()
    assert main([*config, "-o", str(tmp_path / "again"), "--trust", package]) == 0
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "again"))
    assert first == second
    assert main([*command, "--loss", f"{package}:none", "-o", str(tmp_path / "wrong")]) == 2
    assert "has no none; check the name" in capsys.readouterr().err

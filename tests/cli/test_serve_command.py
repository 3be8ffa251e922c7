"""omlzoo serve: what cannot be served is said in one line, before anything is opened."""

from pathlib import Path

import pytest

from omlzoo.cli import main


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--replicas", "2"], "--replicas, --cpus, --gpus and --address are of --engine ray"),
        (["--engine", "ray", "--replicas", "0"], "there cannot be 0 replicas of 1 processors and 0 GPUs"),
        (["--engine", "ray"], "is no index, which --engine ray needs; make one with `omlzoo index`"),
    ],
)
def test_replicas_are_of_ray_and_need_an_index(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(tmp_path), "--port", "8799", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1

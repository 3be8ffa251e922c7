"""A saved state is read whole, by the run that wrote it and by no other."""

import os
from pathlib import Path

import pytest
import torch
from mutations import damaged, only_refused
from torch import nn

from omlzoo.errors import BadInput
from omlzoo.losses.supcon import SupConLoss
from omlzoo.training.loop import EpochSummary
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.state import Progress, difference, read, write
from omlzoo.training.step import Optimization

IDENTITY = {"recipe": "epochs = 1", "table": "4 rows", "start": "abc"}


def work() -> Optimization:
    torch.manual_seed(0)
    return Optimization(nn.Linear(3, 2), Supervised(SupConLoss(0.1)), Recipe(), 10, "fp32")


def test_everything_comes_back(tmp_path: Path) -> None:
    first, second = work(), work()
    first.batch([torch.randn(4, 3)], torch.tensor([0, 0, 1, 1]), torch.arange(4), str)
    progress = Progress(epochs=2, summary=EpochSummary(batches=3, skipped={7: "broken"}), best_value=0.5)
    write(tmp_path / "last.ckpt", progress, first, IDENTITY)
    drawn = torch.rand(3)
    again = read(tmp_path / "last.ckpt", second, IDENTITY)
    assert again == progress
    assert torch.equal(torch.rand(3), drawn), "random numbers go on where they were"
    assert second.steps == first.steps == 1
    assert all(torch.equal(a, b) for a, b in zip(first.body.parameters(), second.body.parameters(), strict=True))


def test_the_state_of_another_run_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "last.ckpt", Progress(), work(), IDENTITY)
    with pytest.raises(BadInput, match="was run with another recipe: epochs = 1 there, epochs = 2 here"):
        read(tmp_path / "last.ckpt", work(), {**IDENTITY, "recipe": "epochs = 2"})


def test_the_first_lines_that_differ_are_named() -> None:
    assert difference("a\nb\nc", "a\nx\nc") == "b there, x here"


class Payload:
    """Writes a file where a pickle that runs code is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("content", [
    5, [1], None, {}, {"format": 2}, {"format": 2, **IDENTITY}, {"format": 2, **IDENTITY, "work": 3, "progress": {}},
    {"format": 2, **IDENTITY, "work": {"model": {}}, "random": {}}, {"format": 2, "recipe": 5},
])  # fmt: skip
def test_states_of_nonsense_are_one_line(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "last.ckpt", work(), IDENTITY)
    assert len(str(caught.value).splitlines()) == 1


def test_no_code_of_a_state_is_run(tmp_path: Path) -> None:
    torch.save({"format": 2, "work": Payload(tmp_path / "mark")}, tmp_path / "last.ckpt")
    with pytest.raises(BadInput, match="is no saved state that can be read"):
        read(tmp_path / "last.ckpt", work(), IDENTITY)
    assert not (tmp_path / "mark").exists()


def test_a_pipe_is_no_state(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "last.ckpt")
    with pytest.raises(BadInput, match="is a pipe"):
        read(tmp_path / "last.ckpt", work(), IDENTITY)


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_states_are_refused_in_one_line(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)  # it opens the driver's library, which is no harm
    write(tmp_path / "good.ckpt", Progress(), work(), IDENTITY)
    content = (tmp_path / "good.ckpt").read_bytes()
    accepted = 0
    for number in range(count):
        (tmp_path / "last.ckpt").write_bytes(damaged(content, number))
        accepted += only_refused(lambda: read(tmp_path / "last.ckpt", work(), IDENTITY))
    assert accepted < count * 3 // 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.ckpt", "last.ckpt"]

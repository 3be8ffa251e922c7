"""A saved state is read whole, by the run that wrote it and by no other."""

from pathlib import Path

import pytest
import torch
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

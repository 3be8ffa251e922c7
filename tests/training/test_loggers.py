"""Where curves go: found before anything is trained, and refused where a package is missing."""

from pathlib import Path

import pytest

from omlzoo.errors import MissingExtra
from omlzoo.training import loggers
from omlzoo.training.loggers import Nowhere, find_log, open_log
from omlzoo.training.recipe import Recipe


def test_auto_is_tensorboard_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: object())
    assert find_log("auto") == "tensorboard"
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    assert find_log("auto") == find_log("none") == "none"
    with pytest.raises(MissingExtra, match=r"omlzoo\[train\]"):
        find_log("tensorboard")
    with pytest.raises(MissingExtra, match=r"omlzoo\[wandb\]"):
        find_log("wandb")


def test_nowhere_takes_numbers_and_writes_nothing(tmp_path: Path) -> None:
    log = open_log("none", tmp_path, Recipe())
    assert isinstance(log, Nowhere)
    log.add(1, {"loss": 0.5})
    log.close()
    assert not list(tmp_path.iterdir())

"""Kept files are found by the model, its weights, the size of its images and whether it normalises."""

import os
from pathlib import Path

import pytest

from omlzoo.checkpoints.engine_files import engine_file, kept_engine


def test_the_newest_file_of_the_very_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path))
    model = ("m", "0" * 64, (32, 48), True)
    assert kept_engine(*model) is None
    old, new = engine_file(*model, "torch 1"), engine_file(*model, "torch 2")
    others = [
        engine_file(*other, "torch 1")
        for other in (
            ("n", *model[1:]),
            ("m", "1" * 64, (32, 48), True),
            ("m", "0" * 64, (48, 32), True),
            (*model[:3], False),
        )
    ]
    assert len({old, new, *others}) == 6
    old.parent.mkdir(parents=True)
    for file in others:
        file.touch()
    assert kept_engine(*model) is None
    for age, file in enumerate((new, old)):
        file.touch()
        os.utime(file, (1000 - age, 1000 - age))
    assert kept_engine(*model) == new

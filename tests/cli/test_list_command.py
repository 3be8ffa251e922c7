"""Which checkpoints are listed, by whether the content of their file is determined."""

import json

import pytest

import omlzoo
from omlzoo.cli.list_command import list_command


def test_pinned_ones_are_those_with_commit_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    pinned, others = omlzoo.list_models(pinned=True), omlzoo.list_models(pinned=False)
    assert sorted(pinned + others) == omlzoo.list_models()
    assert {"resnet_small_omniglot", "vits14_dinov2", "resnet18_a1", "vitb14_reg_dinov2"} <= set(pinned)
    assert {"resnet34_a1", "vits16_dino"} <= set(others)  # a hash without commit, and neither
    list_command(pinned=True, json=True)
    rows = {row["name"]: row["pin"] for row in json.loads(capsys.readouterr().out)}
    assert sorted(rows) == pinned
    assert set(rows.values()) == {"measured", "two sources", "one source"}
    assert (rows["vits14_dinov2"], rows["vitb14_reg_dinov2"]) == ("two sources", "one source")
    list_command("vitb14_reg*", pinned=True)
    assert "one source" in capsys.readouterr().out

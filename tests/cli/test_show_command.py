"""What omlzoo show prints: sections that a person reads, for checkpoints and for folders."""

import json
from pathlib import Path

import pytest
from toys import toy

from omlzoo.checkpoints import manifest
from omlzoo.cli.show_command import show_command

SECTIONS = ["What it is", "How to get it", "Licence", "Preprocessing", "Figures", "Cost of one image", "Pin"]


def shown(capsys: pytest.CaptureFixture[str], name: str) -> dict[str, str]:
    show_command(name)
    first, *sections = capsys.readouterr().out.split("\n\n")
    assert first
    return {title: text for title, _, text in (section.partition("\n") for section in sections)}


@pytest.mark.parametrize("name", manifest.names())
def test_every_checkpoint_has_every_section(capsys: pytest.CaptureFixture[str], name: str) -> None:
    entry = manifest.find(name)
    found = shown(capsys, name)
    assert list(found) == SECTIONS
    assert "None" not in "".join(found.values()).replace(entry.notes or "", "").replace(entry.source, "")
    assert f"{entry.params:,}" in found["What it is"]
    assert f"omlzoo fetch {name}" in found["How to get it"]
    assert (entry.license or "unknown") in found["Licence"]
    assert found["Figures"].count("\n") + 1 >= max(1, len(entry.metrics))
    for metric in entry.metrics:
        assert (
            f"{metric.metric} {metric.value:.4f} on {metric.dataset}: by {metric.by} ({metric.where}"
            in found["Figures"]
        )
    assert "GFLOPs" in found["Cost of one image"]
    assert (entry.sha256 or "unknown") in found["Pin"]


def test_a_folder_says_where_it_is_and_that_nobody_counted_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    toy("resnet_toy").save(tmp_path / "mine")
    found = shown(capsys, str(tmp_path / "mine"))
    assert list(found) == SECTIONS
    assert str(tmp_path / "mine" / "model.safetensors") in found["How to get it"]
    assert "omlzoo fetch" not in found["How to get it"]
    assert "unknown" in found["Cost of one image"]
    assert "not measured" in found["Cost of one image"]


def test_json_is_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    show_command("vits16_inshop", json=True)
    facts = json.loads(capsys.readouterr().out)
    raw = json.loads((manifest.folder() / "vits16_inshop.json").read_text())
    assert {key: facts[key] for key in raw} == raw
    assert facts["pinned"] is False

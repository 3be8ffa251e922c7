"""What is fetched for another machine lies in the folder that was named, whatever a stranger's entry is called."""

import json
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub
from toys import toy

from omlzoo.cli.fetch_command import fetch_command
from omlzoo.errors import BadEntry, BadInput
from omlzoo.zoo.publishing import push


def renamed(folder: Path, **changes: object) -> str:
    raw = json.loads((folder / "entry.json").read_text()) | changes
    (folder / "entry.json").write_text(json.dumps(raw))
    return json.dumps(raw)


@pytest.mark.parametrize("name", ["../victim", "ABSOLUTE", "a\0b", "x" * 5000, "", "."])
@pytest.mark.parametrize("where", ["folder", "hub"])
def test_nothing_is_written_outside(name: str, where: str, hub: LoopbackHub, tmp_path: Path) -> None:
    name = str(tmp_path / "victim") if name == "ABSOLUTE" else name
    toy("resnet_toy").save(tmp_path / "victim")
    toy("resnet_toy", seed=1).save(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "victim").iterdir()}
    if where == "hub":
        push(tmp_path / "run", "o/n")
        hub.publish("o/n", "entry.json", renamed(tmp_path / "run", name=name).encode())
    else:
        renamed(tmp_path / "run", name=name)
    with pytest.raises(BadEntry, match="name is"):
        fetch_command("hf-hub:o/n" if where == "hub" else str(tmp_path / "run"), to=tmp_path / "usb")
    assert {path.name: path.read_bytes() for path in (tmp_path / "victim").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "victim"]


def test_a_strangers_file_that_leads_elsewhere_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    toy("resnet_toy").save(tmp_path / "run")
    content = renamed(tmp_path / "run", file="../../../x.safetensors")
    hub.publish("o/f", "entry.json", content.encode())
    with pytest.raises(BadEntry, match="file is '../../../x.safetensors'; it must be a path inside"):
        fetch_command("hf-hub:o/f", to=tmp_path / "usb")


def test_a_strangers_checkpoint_does_not_take_the_place_of_another(hub: LoopbackHub, tmp_path: Path) -> None:
    toy("resnet_toy").save(tmp_path / "mine")
    fetch_command(str(tmp_path / "mine"), to=tmp_path / "usb")
    fetch_command(str(tmp_path / "mine"), to=tmp_path / "usb")
    toy("resnet_toy", seed=1).save(tmp_path / "theirs")
    push(tmp_path / "theirs", "o/mine")
    with pytest.raises(BadInput, match="holds weights of no repository, not of o/mine; give another --to"):
        fetch_command("hf-hub:o/mine", to=tmp_path / "usb")

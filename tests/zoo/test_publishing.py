"""What is pushed opens by its address, and its card says what it is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from loopback_hub import LoopbackHub
from references import random_resnet, resnet_forward
from safetensors.torch import save
from toys import toy

import omlzoo
from omlzoo.checkpoints.entry import Metric
from omlzoo.checkpoints.folder import open_entry, rewrite_entry
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.publishing import push


def test_a_run_is_pushed_and_opens_by_its_address(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "shoes")
    (tmp_path / "shoes" / "recipe.toml").write_text("epochs = 3\n")
    address = push(tmp_path / "shoes", "me/shoe-finder")
    assert address.startswith(hub.url)
    assert set(hub.pushed) == {"model.safetensors", "entry.json", "README.md"}  # timm has no resnet_toy
    assert json.loads(hub.pushed["entry.json"])["name"] == "shoe-finder"
    opened = omlzoo.get_model("hf-hub:me/shoe-finder")
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(opened(images), model(images))


def test_the_card_says_what_the_hub_and_people_read(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "shoes")
    (tmp_path / "shoes" / "recipe.toml").write_text("epochs = 3\n")
    push(tmp_path / "shoes", "me/shoes2")
    text = hub.pushed["README.md"].decode()
    _, head, body = text.split("---\n", 2)
    facts = yaml.safe_load(head)
    assert (facts["license"], facts["library_name"]) == ("mit", "omlzoo")
    assert "metric-learning" in facts["tags"]
    assert 'omlzoo.get_model("hf-hub:me/shoes2")' in body
    assert "epochs = 3" in body
    assert json.loads(hub.pushed["entry.json"])["sha256"] in body
    assert "&" not in body


def test_metrics_stand_in_the_card_as_the_hub_reads_them(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    found = Metric("shoes", "cmc@1", 0.875, "omlzoo finetune", "report.json", "upstream")
    model.save(tmp_path / "shoes")
    rewrite_entry(replace(open_entry(tmp_path / "shoes"), metrics=(found,)), tmp_path / "shoes")
    push(tmp_path / "shoes", "me/shoes3")
    _, head, body = hub.pushed["README.md"].decode().split("---\n", 2)
    (index,) = yaml.safe_load(head)["model-index"]
    (result,) = index["results"]
    assert result["dataset"]["name"] == "shoes"
    assert (result["metrics"][0]["type"], result["metrics"][0]["value"]) == ("cmc@1", 0.875)
    assert "omlzoo finetune" in body
    with pytest.raises(BadInput, match="repo is 'nowhere'; it must be organisation/name"):
        push(tmp_path / "shoes", "nowhere")


def test_no_licence_is_said_and_no_folder_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    model = toy("vit_toy")
    model.weights = replace(model.weights, entry=replace(model.weights.entry, license=None, commercial=None))  # type: ignore[type-var, union-attr]
    model.save(tmp_path / "x")
    with pytest.warns(OmlzooWarning, match="states no licence"):
        push(tmp_path / "x", "me/x")
    with pytest.raises(BadInput, match="is no folder"):
        push(tmp_path / "y", "me/x")


def test_a_plain_timm_repository_opens_where_its_config_suffices(hub: LoopbackHub) -> None:
    state = random_resnet((2, 2, 2, 2), (64, 128, 256, 512), False, seed=3)
    config = {
        "architecture": "resnet18", "num_classes": 10, "global_pool": "avg",
        "pretrained_cfg": {"input_size": [3, 64, 64], "interpolation": "bicubic", "crop_pct": 0.95,
                           "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    }  # fmt: skip
    hub.publish("timm/resnet18.test", "config.json", json.dumps(config).encode())
    hub.publish("timm/resnet18.test", "model.safetensors", save(state))
    with pytest.warns(OmlzooWarning, match="unpinned"):
        model = omlzoo.get_model("hf-hub:timm/resnet18.test")
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(model(images), resnet_forward(state, images), rtol=1e-4, atol=1e-5)
    assert model.transforms().preprocess.resize == (67, 67)


def test_what_a_link_leads_to_is_not_uploaded(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    (tmp_path / "private").write_text("password = 1\n")
    model.save(tmp_path / "run")
    (tmp_path / "run" / "recipe.toml").symlink_to(tmp_path / "private")
    with pytest.warns(OmlzooWarning, match=r"recipe\.toml leads out of the folder"):
        push(tmp_path / "run", "me/linked")
    assert "password" not in hub.pushed["README.md"].decode()
    hub.pushed.clear()
    for name in ("model.safetensors", "entry.json"):
        path = tmp_path / "run" / name
        path.rename(tmp_path / name)
        path.symlink_to(tmp_path / name)
        with pytest.raises(BadInput, match=f"{name} leads out of the folder"):
            push(tmp_path / "run", "me/linked")
        path.unlink()
        (tmp_path / name).rename(path)
    assert not hub.pushed
    (tmp_path / "link").symlink_to(tmp_path / "run")
    (tmp_path / "run" / "recipe.toml").unlink()
    with pytest.warns(OmlzooWarning, match="me/linked had linked, weights .*; they are replaced"):
        push(tmp_path / "link", "me/linked")  # the folder itself may be reached by a link


def test_no_html_comes_into_the_card(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "run")
    evil = "<script>alert(1)</script>"
    entry = replace(open_entry(tmp_path / "run"), source=evil, notes=evil, citation=evil, license=evil,
                    metrics=(Metric(evil, evil, 0.5, evil, evil, None),))  # fmt: skip
    rewrite_entry(entry, tmp_path / "run")
    (tmp_path / "run" / "recipe.toml").write_text(f"a = '''\n```\n{evil}\n'''\n")
    with pytest.warns(OmlzooWarning, match="would end the card's block of code"):
        push(tmp_path / "run", "me/html")
    body = hub.pushed["README.md"].decode().split("---\n", 2)[2]
    assert "<script" not in body.lower()
    assert "&lt;script>alert(1)" in body


def test_other_weights_are_replaced_on_request_only(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "one")
    toy("resnet_toy", seed=1).save(tmp_path / "two")
    push(tmp_path / "one", "me/kept")
    before = dict(hub.pushed)
    with pytest.raises(BadInput, match=r"^me/kept has kept, weights .*, not kept, .*; give another name, or overwrite"):
        push(tmp_path / "two", "me/kept")
    assert hub.pushed == before
    with pytest.warns(OmlzooWarning, match="me/kept had kept, weights .*; they are replaced"):
        push(tmp_path / "two", "me/kept", overwrite=True)
    assert hub.pushed["entry.json"] != before["entry.json"]

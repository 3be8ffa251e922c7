"""What every extractor does, whatever its architecture."""

from pathlib import Path

import pytest
import torch

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.registry import get_weights


def test_a_bare_architecture_says_what_it_lacks(tmp_path: Path) -> None:
    bare = catalog.find("models", "resnet_toy")()
    for call in (bare.transforms, lambda: bare.save(tmp_path / "x")):
        with pytest.raises(BadInput, match="was built bare, without an entry; build it with omlzoo.get_model"):
            call()
    assert "bare" in repr(bare)


def test_trained_weights_lose_the_numbers_of_the_old_ones(tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "a")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    assert model.changed
    model.save(tmp_path / "b")
    assert get_weights(str(tmp_path / "b")).entry.source.startswith("weights of one's own")


def test_state_dict_names_are_timms() -> None:
    import timm

    ours = catalog.find("models", "vits16")().state_dict().keys()
    assert ours == timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=0).state_dict().keys()
    ours = catalog.find("models", "resnet50")().state_dict().keys()
    assert ours == timm.create_model("resnet50", pretrained=False, num_classes=0).state_dict().keys()


def test_features_and_forward_agree(model: Extractor) -> None:
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model.features(images)["embedding"], model(images))

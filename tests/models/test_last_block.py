"""The last block for the class token alone gives the embedding and the gradients of the whole one."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import toy

from omlzoo import catalog
from omlzoo.models._extractor import Extractor
from omlzoo.models._last_block import class_token_alone
from omlzoo.models._projected import Projected
from omlzoo.models.clip import ClipViT
from omlzoo.models.vit import ViT
from omlzoo.training.freezing import checkpoint_blocks, drop_paths
from omlzoo.training.lora import add_lora
from omlzoo.training.training_model import TrainingModel

IMAGES = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
SMALL: dict[str, Any] = {"image": 32, "patch": 8, "width": 16, "depth": 2, "heads": 2}


def low_rank() -> Extractor:
    pytest.importorskip("peft", reason="peft is not installed")
    model = toy("vit_toy")
    add_lora(model, 2)
    return model


def dropped() -> Extractor:
    model = toy("vit_toy")
    drop_paths(model, 0.5)
    return model


KINDS: dict[str, Callable[[], Extractor]] = {
    "plain": lambda: toy("vit_toy"),
    "gated, scaled, registers": lambda: ViT(**SMALL, gated=True, layer_scale=0.3, registers=2, resizing="antialias"),
    "clip": lambda: ClipViT(**SMALL, dim=8),
    "projected": lambda: Projected(ViT(**SMALL, project=8), 4, True),
    "drop path": dropped,
    "low rank": low_rank,
    "no class token": lambda: toy("resnet_toy"),
}


def gradients(model: Extractor, compute: Callable[[], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(3)  # of drop path
    model.zero_grad()
    found = compute()
    (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum().backward()
    return found.detach(), {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_embedding_and_gradients_are_those_of_the_whole_block(kind: str) -> None:
    torch.manual_seed(0)
    model = KINDS[kind]().train()
    whole, pulls = gradients(model, lambda: model(IMAGES))
    alone, ours = gradients(model, lambda: TrainingModel(model)(IMAGES))
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-5)
    assert ours.keys() == pulls.keys()
    for name, pull in pulls.items():
        torch.testing.assert_close(ours[name], pull, rtol=1e-4, atol=1e-5)


def test_less_is_computed_and_nothing_is_left_switched() -> None:
    model = toy("vit_toy")
    seen: list[tuple[int, ...]] = []
    model.blocks[-1].mlp.register_forward_hook(lambda part, given, out: seen.append(tuple(out.shape)))
    assert TrainingModel(model, stage=2)(model.until(IMAGES, 2)).shape == (5, 16)
    assert model.features(IMAGES)["tokens"].shape == (5, 16, 16)
    assert seen == [(5, 1, 16), (5, 17, 16)]
    with pytest.raises(RuntimeError), class_token_alone(model):
        raise RuntimeError
    assert not model.class_token_alone


def test_a_block_that_is_watched_or_computed_again_stays_whole() -> None:
    model = toy("vit_toy")
    again = copy.deepcopy(model)
    checkpoint_blocks(again.stages())
    seen: list[tuple[int, ...]] = []
    model.blocks[-1].register_forward_hook(lambda part, given, out: seen.append(tuple(out.shape)))
    found = TrainingModel(model)(IMAGES)
    assert seen == [(5, 17, 16)]
    torch.testing.assert_close(TrainingModel(again.train())(IMAGES), found)


def test_it_is_what_timm_computes_in_its_own_class() -> None:
    vision = pytest.importorskip("timm.models.vision_transformer")
    whole = vision.VisionTransformer(32, 8, embed_dim=16, depth=2, num_heads=2, num_classes=0)
    ours = catalog.find("models", "vit_toy")()
    ours.load_state_dict(whole.state_dict())
    torch.testing.assert_close(TrainingModel(ours)(IMAGES), whole(IMAGES), rtol=1e-4, atol=1e-5)

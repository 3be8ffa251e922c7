"""Maps of stages are what the stages give, with channels first and without class tokens."""

import pytest
import torch
from torch import Tensor
from toys import toy

import omlzoo
from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.models._staged import as_grid, through


def unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True)


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_steps_are_taken_one_after_the_other() -> None:
    assert through([lambda value: value + 1, lambda value: value * 10], 1) == 20


def test_tokens_of_earlier_blocks_are_those_of_the_patches() -> None:
    body = toy("vit_toy")
    pictures = images()
    with torch.inference_mode():
        tokens = body.until(pictures, 2)  # after the first block: the class token and 16 patches
        torch.testing.assert_close(body.with_layers([1], own=False)(pictures), unit(tokens[:, 1:].mean(dim=1)))
        (last,), outputs = body.intermediate(pictures, [3])
        torch.testing.assert_close(last.squeeze(2).transpose(1, 2), outputs["tokens"])


def test_maps_of_a_swin_transformer_have_their_channels_first() -> None:
    with torch.device("meta"):
        model = catalog.find("models", next(name for name in catalog.names("models") if name.startswith("swin")))()
    maps, outputs = model.intermediate(torch.empty(1, 3, 224, 224, device="meta"), [0, len(model.steps()) - 1])
    assert maps[0].shape[2:] == (56, 56)
    assert maps[1].shape == outputs["map"].shape


def test_maps_of_a_model_of_timm_are_timms() -> None:
    model = omlzoo.get_model("timm:test_resnet", weights=None)
    pictures = torch.randn(1, 3, *model.entry.preprocess.crop)
    with torch.inference_mode():
        wanted = model.module.forward_intermediates(pictures, indices=[1, 3], intermediates_only=True)
        maps, outputs = model.intermediate(pictures, [3, 1])
        assert torch.equal(maps[0], wanted[1])
        assert torch.equal(maps[1], wanted[0])
        torch.testing.assert_close(outputs["embedding"], model.embed(pictures)["embedding"])


def test_dense_vectors_are_those_of_the_patches_in_their_places() -> None:
    for arch, sides in (("vit_toy", (4, 6)), ("resnet_toy", (1, 2))):
        model = toy(arch)
        pictures = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            found, outputs = model.dense(pictures), model.embed(pictures)
        assert tuple(found.shape[2:]) == sides
        torch.testing.assert_close(found.norm(dim=1), torch.ones(2, *sides))
        raw = outputs["map"] if "map" in outputs else outputs["tokens"].transpose(1, 2).reshape(2, -1, *sides)
        torch.testing.assert_close(found, raw / raw.norm(dim=1, keepdim=True))
    with torch.inference_mode():  # a change of one corner changes the patch there most
        model = toy("vit_toy")
        changed = pictures.clone()
        changed[:, :, :8, 40:] = 0
        moved = (model.dense(changed) - model.dense(pictures)).norm(dim=1)
        assert moved.flatten(1).argmax(dim=1).tolist() == [5, 5]


def test_outputs_without_a_grid_are_refused() -> None:
    with pytest.raises(BadInput, match="no feature map and no tokens"):
        as_grid({}, torch.zeros(1, 3, 8, 8))
    with pytest.raises(BadInput, match="7 tokens for 8 x 8 pixels"):
        as_grid({"tokens": torch.zeros(1, 7, 2)}, torch.zeros(1, 3, 8, 8))

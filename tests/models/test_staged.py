"""Maps of stages are what the stages give, with channels first and without class tokens."""

import torch
from torch import Tensor
from toys import toy

import omlzoo
from omlzoo import catalog
from omlzoo.models._staged import through


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

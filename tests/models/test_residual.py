"""Our blocks and stages are timm's: names, random weights and every bit of the output."""

from typing import Any

import pytest
import timm.models.resnet as reference
import torch
from torch import nn

from omlzoo.models import _residual as ours
from omlzoo.models.resnet import ResNet

CASES: dict[str, tuple[str, tuple[int, int, int, int], tuple[int, int, int, int], int | None]] = {
    "basic": ("BasicBlock", (2, 1, 2, 1), (8, 16, 24, 32), None),
    "bottleneck": ("Bottleneck", (1, 2, 1, 2), (4, 8, 8, 16), None),
    "deep": ("BasicBlock", (1, 1, 2, 1), (32, 64, 128, 184), 16),
}


def pair(case: str) -> tuple[Any, Any]:
    """Ours and timm's, each built from the same random numbers."""
    block, layers, channels, deep = CASES[case]
    torch.manual_seed(3)
    mine = ResNet(getattr(ours, block), layers, channels=channels, deep_stem=deep)
    stem: dict[str, Any] = {"stem_type": "deep", "stem_width": deep} if deep else {}
    torch.manual_seed(3)
    theirs = reference.ResNet(getattr(reference, block), layers, num_classes=0, channels=channels, **stem)
    return mine, theirs


def randomize(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(5)
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + (0.5 if name.endswith("var") else -0.3))


@pytest.mark.parametrize("case", CASES)
def test_names_and_random_weights_are_those_of_timm(case: str) -> None:
    mine, theirs = (model.state_dict() for model in pair(case))
    assert list(mine) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_and_gradients_are_those_of_timm_to_the_bit(case: str, training: bool) -> None:
    mine, theirs = pair(case)
    images = torch.randn(3, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    for model in (mine, theirs):
        randomize(model)
        model.train(training)
    found, expected = mine.features(images)["map"], theirs.forward_features(images)
    assert torch.equal(found, expected)
    found.square().mean().backward()
    expected.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in mine.named_parameters():
        assert torch.equal(parameter.grad, gradients[name]), name


def test_a_block_drops_its_path_before_the_sum() -> None:
    class Nothing(nn.Module):
        def forward(self, map_: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(map_)

    map_ = torch.rand(2, 8, 5, 5)
    for block in (ours.BasicBlock(8, 8, 1, None), ours.Bottleneck(8, 2, 1, None)):
        block.drop_path = Nothing()
        assert torch.equal(block(map_), map_)

"""Residual networks (arXiv 1512.03385) as torchvision builds them, with average or GeM pooling (1711.02512)."""

from typing import Any

import torch
from timm.models.resnet import BasicBlock, Bottleneck
from timm.models.resnet import ResNet as TimmResNet
from torch import Tensor, nn

from omlzoo.extractor import Extractor, adopt

__all__ = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet_small", "resnet_toy"]

PARTS = ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4")


def resnet18(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-18, dim 512."""
    return ResNet(BasicBlock, (2, 2, 2, 2), normalize=normalize, gem=gem)


def resnet34(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-34, dim 512."""
    return ResNet(BasicBlock, (3, 4, 6, 3), normalize=normalize, gem=gem)


def resnet50(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-50, dim 2048."""
    return ResNet(Bottleneck, (3, 4, 6, 3), normalize=normalize, gem=gem)


def resnet101(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-101, dim 2048."""
    return ResNet(Bottleneck, (3, 4, 23, 3), normalize=normalize, gem=gem)


def resnet152(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-152, dim 2048."""
    return ResNet(Bottleneck, (3, 8, 36, 3), normalize=normalize, gem=gem)


def resnet_small(normalize: bool = True) -> "ResNet":
    """A narrow ResNet-18 with a stem of three small filters and a projection, dim 128, for 64-pixel drawings."""
    return ResNet(
        BasicBlock, (2, 2, 2, 2), channels=(32, 64, 128, 192), deep_stem=16, project=128, normalize=normalize
    )  # fmt: skip


def resnet_toy(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """A ResNet that builds in milliseconds, for tests: dim 64."""
    return ResNet(BasicBlock, (1, 1, 1, 1), channels=(8, 16, 32, 64), normalize=normalize, gem=gem)


class ResNet(Extractor):
    """The pooled last map of a ResNet.

    Args:
        block: timm's BasicBlock or Bottleneck.
        layers: Blocks of each of the four stages.
        channels: Of each stage before a block's expansion.
        deep_stem: Channels of the first of three 3x3 filters that replace the 7x7 one; None keeps that.
        project: Length of a linear projection of the pooled map, named ``fc``; None has none.
        gem: Exponent p of generalised-mean pooling, the p-th root of the mean of the p-th powers; None averages.
        normalize: Divide the embedding by its L2 norm.
    """

    conv1: nn.Module
    bn1: nn.Module
    act1: nn.Module
    maxpool: nn.Module
    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module
    fc: nn.Module

    def __init__(
        self,
        block: Any,
        layers: tuple[int, int, int, int],
        *,
        channels: tuple[int, int, int, int] = (64, 128, 256, 512),
        deep_stem: int | None = None,
        project: int | None = None,
        gem: float | None = None,
        normalize: bool = False,
    ) -> None:
        super().__init__(project or channels[-1] * block.expansion, normalize)
        stem: dict[str, Any] = {"stem_type": "deep", "stem_width": deep_stem} if deep_stem else {}
        body = TimmResNet(block, layers, num_classes=project or 0, channels=channels, **stem)
        adopt(self, body, PARTS if project is None else (*PARTS, "fc"))
        self.gem = gem

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The stem, the four layers, and the projection if there is one."""
        layers: list[list[nn.Module | nn.Parameter]] = [
            [self.conv1, self.bn1],
            [self.layer1],
            [self.layer2],
            [self.layer3],
            [self.layer4],
        ]
        return [*layers, [self.fc]] if hasattr(self, "fc") else layers

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        stem = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        map_ = self.layer4(self.layer3(self.layer2(self.layer1(stem))))  # (B, C, h, w)
        pooled = map_.mean(dim=(2, 3)) if self.gem is None else generalized_mean(map_, self.gem)
        return {"embedding": self.fc(pooled) if hasattr(self, "fc") else pooled, "map": map_}


def generalized_mean(map_: Tensor, power: float) -> Tensor:
    """GeM of maps (B, C, h, w) as (B, C); values below 1e-6 count as 1e-6. In float32 under half precision."""
    with torch.autocast(map_.device.type, enabled=False):
        powers = map_.float().clamp(min=1e-6).pow(power)
        return nn.functional.adaptive_avg_pool2d(powers, 1).flatten(1).pow(1 / power).to(map_.dtype)

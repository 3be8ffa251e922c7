"""Residual networks (arXiv 1512.03385) as torchvision builds them, with average or GeM pooling (arXiv 1711.02512)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.models._extractor import Extractor, unit
from omlzoo.models._pooling import generalized_mean
from omlzoo.models._residual import BasicBlock, Bottleneck, initialize, stage, stem

__all__ = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet_small", "resnet_toy"]


def resnet18(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-18, dim 512.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        gem: Exponent p of generalised-mean pooling; None is average pooling.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), normalize=normalize, gem=gem)


def resnet34(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-34, dim 512.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        gem: Exponent p of generalised-mean pooling; None is average pooling.
    """
    return ResNet(BasicBlock, (3, 4, 6, 3), normalize=normalize, gem=gem)


def resnet50(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-50, dim 2048.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        gem: Exponent p of generalised-mean pooling; None is average pooling.
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), normalize=normalize, gem=gem)


def resnet101(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-101, dim 2048.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        gem: Exponent p of generalised-mean pooling; None is average pooling.
    """
    return ResNet(Bottleneck, (3, 4, 23, 3), normalize=normalize, gem=gem)


def resnet152(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """ResNet-152, dim 2048.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        gem: Exponent p of generalised-mean pooling; None is average pooling.
    """
    return ResNet(Bottleneck, (3, 8, 36, 3), normalize=normalize, gem=gem)


def resnet_small(normalize: bool = True, turns: int = 1, width: float = 1.0) -> "ResNet":
    """A narrow ResNet-18 for drawings of 64 pixels, dim 128 x turns x width, with a stem of three 3x3 filters.

    Drawings are shifted first so that their ink is centred, see :func:`omlzoo.models.resnet.centre_ink`.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        turns: Number of orientations in which each image is embedded, 90 degrees apart, from 1 to 4.
        width: Every number of channels as a multiple of these, above 0.
    """
    first, second, third, fourth, stem_channels, project = (round(n * width) for n in (32, 64, 128, 184, 16, 128))
    return ResNet(
        BasicBlock, (2, 2, 2, 2), channels=(first, second, third, fourth), deep_stem=stem_channels, project=project,
        cells=2, centred=True, turns=turns, normalize=normalize,
    )  # fmt: skip


def resnet_toy(normalize: bool = False, gem: float | None = None) -> "ResNet":
    """A ResNet that builds in milliseconds, for tests, dim 64.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        gem: Exponent p of generalised-mean pooling; None is average pooling.
    """
    return ResNet(BasicBlock, (1, 1, 1, 1), channels=(8, 16, 32, 64), normalize=normalize, gem=gem)


class ResNet(Extractor):
    """A ResNet. The embedding is the pooled last feature map, or a linear projection of it.

    Args:
        block: Class of the residual blocks, BasicBlock or Bottleneck.
        layers: Number of blocks of each of the four stages.
        channels: Number of channels of each stage, before the expansion of a block.
        deep_stem: Number of channels of the first of three 3x3 filters that replace the 7x7 filter of the stem; None
            keeps the 7x7 filter.
        project: Dimension of a linear projection of the pooled map, named ``fc``; None adds no projection.
        cells: The map is averaged in each of ``cells`` x ``cells`` parts, so that the projection can use positions.
            It cannot be combined with GeM pooling.
        centred: Whether to centre the ink of drawings first, see :func:`centre_ink`.
        turns: Number of orientations in which each image is embedded, each turned by 90 degrees from the one before.
            The embeddings of all orientations, divided by their L2 norms, are concatenated.
        gem: Exponent p of generalised-mean pooling, the p-th root of the mean of the p-th powers; None is average
            pooling.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    fc: nn.Module

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: tuple[int, int, int, int],
        *,
        channels: tuple[int, int, int, int] = (64, 128, 256, 512),
        deep_stem: int | None = None,
        project: int | None = None,
        cells: int = 1,
        centred: bool = False,
        turns: int = 1,
        gem: float | None = None,
        normalize: bool = False,
    ) -> None:
        super().__init__((project or channels[-1] * block.expansion) * turns, normalize)
        first = 2 * deep_stem if deep_stem else 64
        wide = [width * block.expansion for width in channels]
        self.conv1 = stem(deep_stem)
        self.bn1 = nn.BatchNorm2d(first)
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, first, channels[0], layers[0], 1)
        self.layer2 = stage(block, wide[0], channels[1], layers[1], 2)
        self.layer3 = stage(block, wide[1], channels[2], layers[2], 2)
        self.layer4 = stage(block, wide[2], channels[3], layers[3], 2)
        initialize(self)
        if project is not None:
            self.fc = nn.Linear(wide[3] * cells**2, project)
        self.gem = gem
        self.cells = cells
        self.centred = centred
        self.turns = turns

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

    def steps(self) -> list[Callable[[Any], Any]]:
        """The computation of each stage; empty for several orientations, which cannot be split."""
        if self.turns > 1:
            return []
        layers: list[Callable[[Any], Any]] = [self._begin, self.layer1, self.layer2, self.layer3]
        if hasattr(self, "fc"):
            return [*layers, self.layer4, self._end]
        return [*layers, lambda map_: self._end(self.layer4(map_))]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        if self.turns == 1:
            return super().embed(images)
        if self.centred:
            images = centre_ink(images)
        turned = [images.rot90(turn, (2, 3)) for turn in range(self.turns)]
        if images.shape[2] == images.shape[3] and not self.training:  # one batch, faster for a few images
            together = {
                name: torch.unflatten(out, 0, (self.turns, -1)) for name, out in self.look(torch.cat(turned)).items()
            }
            views = [{name: out[turn] for name, out in together.items()} for turn in range(self.turns)]
        else:  # in training each orientation has its own batch statistics
            views = [self.look(view) for view in turned]
        embedding = torch.cat([unit(view["embedding"]) for view in views], dim=1)
        return {**views[0], "embedding": embedding}

    def look(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs for images (B, 3, H, W) in one orientation, without normalisation."""
        return self._end(self.layer4(self.layer3(self.layer2(self.layer1(self._stem(images))))))

    def _begin(self, images: Tensor) -> Tensor:
        return self._stem(centre_ink(images) if self.centred else images)

    def _stem(self, images: Tensor) -> Tensor:
        map_: Tensor = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        return map_

    def _end(self, map_: Tensor) -> dict[str, Tensor]:
        pooled = self.pool(map_)
        return {"embedding": self.fc(pooled) if hasattr(self, "fc") else pooled, "map": map_}

    def pool(self, map_: Tensor) -> Tensor:
        """Pool feature maps (B, C, h, w) to vectors (B, C x cells x cells)."""
        if self.gem is not None:
            return generalized_mean(map_, self.gem)
        if self.cells == 1:
            return map_.mean(dim=(2, 3))
        return nn.functional.adaptive_avg_pool2d(map_, self.cells).flatten(1)


def centre_ink(images: Tensor) -> Tensor:
    """Shift drawings so that the centre of mass of their ink is in the middle, as is usual in handwriting recognition.

    The ink of a pixel is how much darker it is than the mean of its image. Pixels that come in from outside the image
    have the colour of the border.

    Args:
        images: Images (B, C, H, W), of any mean and standard deviation.

    Returns:
        Shifted images (B, C, H, W). An image of one colour is returned unchanged.
    """
    with torch.autocast(images.device.type, enabled=False):
        pixels = images.float()
        with torch.no_grad():
            gray = pixels.mean(dim=1)  # (B, H, W)
            ink = (gray.mean(dim=(1, 2), keepdim=True) - gray).relu()
            mass = ink.sum(dim=(1, 2)).clamp(min=1e-6)
            across, down = (  # coordinates of pixel centres, from -1 to 1
                (2 * torch.arange(side, device=gray.device) + 1) / side - 1 for side in (gray.shape[2], gray.shape[1])
            )
            centre = torch.stack([ink.sum(dim=1) @ across / mass, ink.sum(dim=2) @ down / mass], dim=1)  # (B, 2)
            pixel_centres = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=2)  # (H, W, 2)
            grid = pixel_centres + centre[:, None, None]
        moved = nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    return moved.to(images.dtype)

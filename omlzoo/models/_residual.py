"""Residual blocks and stages of ResNets (arXiv 1512.03385), with the names, the order and the bits of timm's.

They stand here because to import timm for them takes longer than to import torch: it imports torchvision with it.
"""

from itertools import pairwise

from torch import Tensor, nn

__all__ = ["BasicBlock", "Bottleneck", "initialize", "stage", "stem"]


class BasicBlock(nn.Module):
    """Two 3x3 filters and a shortcut.

    Args:
        inputs: Number of channels of the input.
        channels: Number of channels of both filters.
        stride: Stride of the first filter.
        downsample: The shortcut; None is the input itself.
    """

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act2 = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.drop_path: nn.Module | None = None  # set for training

    @property
    def last(self) -> nn.BatchNorm2d:
        """The norm before the sum."""
        return self.bn2

    def forward(self, map_: Tensor) -> Tensor:
        """Feature maps (B, channels, h, w) of feature maps (B, inputs, H, W)."""
        changed = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(map_)))))
        if self.drop_path is not None:
            changed = self.drop_path(changed)
        changed += map_ if self.downsample is None else self.downsample(map_)
        output: Tensor = self.act2(changed)
        return output


class Bottleneck(nn.Module):
    """A 3x3 filter between two of 1x1, and a shortcut; the stride is that of the 3x3 filter.

    Args:
        inputs: Number of channels of the input.
        channels: Number of channels of the 3x3 filter; the output has four times as many.
        stride: Stride of the 3x3 filter.
        downsample: The shortcut; None is the input itself.
    """

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        outputs = channels * self.expansion
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.act3 = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.drop_path: nn.Module | None = None  # set for training

    @property
    def last(self) -> nn.BatchNorm2d:
        """The norm before the sum."""
        return self.bn3

    def forward(self, map_: Tensor) -> Tensor:
        """Feature maps (B, 4 x channels, h, w) of feature maps (B, inputs, H, W)."""
        changed = self.act1(self.bn1(self.conv1(map_)))
        changed = self.act2(self.bn2(self.conv2(changed)))
        changed = self.bn3(self.conv3(changed))
        if self.drop_path is not None:
            changed = self.drop_path(changed)
        changed += map_ if self.downsample is None else self.downsample(map_)
        output: Tensor = self.act3(changed)
        return output


def stem(width: int | None) -> nn.Module:
    """The first filters: one of 7x7 with 64 channels, or three of 3x3, with ``width``, ``width`` and 2 x ``width``."""
    if width is None:
        return nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise((3, width, width, 2 * width))):
        layers += [nn.Conv2d(inputs, outputs, 3, 1 if number else 2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)] if number < 2 else []
    return nn.Sequential(*layers)


def stage(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, channels: int, count: int, stride: int
) -> nn.Sequential:
    """The blocks of one stage; where the first changes the shape, its shortcut is a 1x1 filter.

    Args:
        block: Class of the blocks.
        inputs: Number of channels of the input.
        channels: Number of channels of the blocks, before their expansion.
        count: Number of blocks.
        stride: Stride of the first block.
    """
    outputs, downsample = channels * block.expansion, None
    if stride != 1 or inputs != outputs:
        downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    first = block(inputs, channels, stride, downsample)
    return nn.Sequential(first, *(block(outputs, channels, 1, None) for _ in range(count - 1)))


def initialize(model: nn.Module) -> None:
    """Random filters (arXiv 1502.01852), and zeros for the last norm of each block, which begins as its shortcut."""
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    for part in model.modules():
        if isinstance(part, BasicBlock | Bottleneck):
            nn.init.zeros_(part.last.weight)

"""What every engine does: images in, embeddings out."""

from typing import Protocol

import torch
from torch import Tensor

from omlzoo.errors import BadInput

__all__ = ["Engine", "check_on_cpu"]


class Engine(Protocol):
    """A model as something computes it. It may be called by several threads at once."""

    def __call__(self, images: Tensor) -> Tensor:
        """Embeddings (B, dim) float32 of normalised images (B, 3, H, W) float32.

        They have an L2 norm of 1 where the model's have; a row whose numbers are not finite may have any in their
        place that are not.
        """


def check_on_cpu(precision: str, device: torch.device, allowed: tuple[str, ...], name: str) -> None:
    """Refuse what an engine for processors does not compute.

    Args:
        precision: What it is to compute in.
        device: Where.
        allowed: The precisions that the engine has.
        name: The runtime's name, for the message.

    Raises:
        BadInput: The device is another one, or the engine has no such precision.
    """
    if device.type != "cpu" or precision not in allowed:
        raise BadInput(
            f"runtime {name!r} computes in {' or '.join(allowed)} on the CPU; precision is {precision!r}, "
            f"device {device}"
        )

"""What the model of a run takes, made of the batches of its loader."""

from dataclasses import dataclass

import torch
from torch import Tensor

from omlzoo.data.dataset import Pixels
from omlzoo.data.transforms import Transform

__all__ = ["Inputs"]


@dataclass(frozen=True)
class Inputs:
    """Prepares the batches of a loader for the model.

    Attributes:
        transform: Normalises pixels.
        device: The device of the model.
        kept: Whether the loader gives outputs of frozen stages instead of pixels.
    """

    transform: Transform
    device: torch.device
    kept: bool = False

    def images(self, pixels: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) float, channels last, of pixels (B, 3, H, W) uint8.

        Of pixels (B, 4, H, W), the last of them labels, images (B, 4, H, W), whose labels stay as they are.
        """
        moved = pixels.to(self.device, non_blocking=True)
        images = self.transform.normalize(moved[:, :3])
        if moved.shape[1] > 3:
            images = torch.cat([images, moved[:, 3:].to(images.dtype)], dim=1)
        return images.contiguous(memory_format=torch.channels_last)

    def views(self, loaded: Pixels) -> list[Tensor]:
        """The views of each picture: the one that supervised training takes, or those of an objective over views.

        Token ids (B, length) int64 of captions are a view too, and stay as they are.
        """
        if isinstance(loaded, list):
            return [self._ready(view) for view in loaded]
        return [self._ready(loaded)]

    def _ready(self, view: Tensor) -> Tensor:
        if self.kept or view.dtype == torch.int64:  # token ids of captions
            return view.to(self.device)
        return self.images(view)

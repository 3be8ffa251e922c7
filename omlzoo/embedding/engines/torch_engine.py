"""The model itself, by torch."""

import copy

import torch
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.models._extractor import Extractor

__all__ = ["TorchEngine"]


class TorchEngine:
    """A model computed by torch.

    Args:
        model: The extractor. It is copied where it has to be moved, converted or laid out anew.
        precision: "fp32" or "bf16".
        device: Where it computes.

    Attributes:
        model: The model that computes.
    """

    def __init__(self, model: Extractor, precision: str, device: torch.device) -> None:
        own, half = next(model.parameters()).device, precision == "bf16"
        self.model = model
        if half or device != own or model.training or _convolves(model):
            kind = torch.bfloat16 if half else torch.float32
            self.model = copy.deepcopy(model).eval().to(device, kind).to(memory_format=torch.channels_last)
        if half and device.type == "cpu":
            catalog.shared("models._attention", "explicit_in_bf16")(self.model)
        self._kind = next(self.model.parameters()).dtype

    def __call__(self, images: Tensor) -> Tensor:
        """As in :class:`Engine`; images on the model's device."""
        images = images.to(self._kind, memory_format=torch.channels_last)
        with torch.inference_mode():
            vectors = self.model.embed(images)["embedding"].float()
            if not self.model.normalize:
                return vectors
            lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
            return torch.where(lengths.isfinite(), vectors / lengths.clamp_min(1e-12), torch.nan)


def _convolves(model: nn.Module) -> bool:
    """Whether most of it is convolutions, which are faster where colours lie together."""
    numbers = [(parameter.numel(), parameter.ndim) for parameter in model.parameters()]
    return 2 * sum(count for count, ndim in numbers if ndim == 4) > sum(count for count, _ in numbers)

"""Traces of a model's tensors, by which a later look sees whether one of them was changed or replaced."""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Traces"]

SAMPLED = 2  # numbers of each tensor that are looked at


class Traces:
    """Traces of every tensor of a model's state dict.

    They are its name, type, shape, place in memory, and torch's count of the changes that were made to it; and some of
    its numbers, since that count does not see what is changed through ``.data``, ``.numpy()`` or shared memory.

    Args:
        model: The model as it is now.
    """

    @torch.no_grad()
    def __init__(self, model: nn.Module) -> None:
        state = model.state_dict(keep_vars=True)
        self.facts = _facts(state)
        by_kind: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        for tensor in state.values():
            if tensor.numel():
                by_kind.setdefault((tensor.device, tensor.dtype), []).append(_some(tensor))
        self.views = list(by_kind.values())  # they share the memory of the tensors
        self.numbers = self._numbers()

    def hold(self, model: nn.Module) -> bool:
        """Whether the model still has these tensors, with these numbers as far as they were looked at."""
        return _facts(model.state_dict(keep_vars=True)) == self.facts and self._numbers() == self.numbers

    def types(self) -> list[Any]:
        """The type of each tensor."""
        return [fact[-1] for fact in self.facts]

    @torch.no_grad()
    def _numbers(self) -> list[bytes]:
        return [torch.cat(views).cpu().view(torch.uint8).numpy().tobytes() for views in self.views]


def _facts(state: dict[str, Tensor]) -> list[tuple[Any, ...]]:
    return [
        (name, id(t), t.data_ptr(), -1 if t.is_inference() else t._version, t.shape, t.dtype)
        for name, t in state.items()
    ]


def _some(tensor: Tensor) -> Tensor:
    """Some numbers of a tensor, at equal distances in memory, without a copy whatever its memory format."""
    step = max(1, tensor.numel() // SAMPLED)
    if tensor.is_contiguous():  # one call, where reshape and a slice are three
        return tensor.as_strided((min(SAMPLED, tensor.numel()),), (step,))
    tensor = tensor.permute(sorted(range(tensor.ndim), key=tensor.stride, reverse=True))
    return tensor.reshape(-1)[::step]

"""A loss that users bring, with a miner of theirs or ours, held to what a step needs of a loss."""

from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.training.own_parts import calling

__all__ = ["OwnLoss"]

PLAIN = (bool, int, float, str)


class OwnLoss(nn.Module):
    """A loss of a user, called in float32 with embeddings and labels, and with a miner's indices where there is one.

    Args:
        loss: A module, or any callable of embeddings (B, D) and labels (B,), such as those of PyTorch Metric Learning.
        miner: Called with embeddings and labels; its tuple of three or four is the third argument of the loss.
        name: What to call the loss in messages.

    Attributes:
        stats: Those of the loss, if it has any.
    """

    def __init__(self, loss: Any, miner: Any = None, name: str = "") -> None:
        super().__init__()
        self.loss, self.miner, self.name = loss, miner, name or type(loss).__name__

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss (), of embeddings (B, D) and labels (B,).

        Raises:
            BadInput: The loss or the miner raised an error, or gave what is no scalar with a gradient.
        """
        rows = embeddings.float() if embeddings.dtype in (torch.float16, torch.bfloat16) else embeddings
        with torch.autocast(embeddings.device.type, enabled=False):
            chosen = []
            if self.miner is not None:
                with calling("miner", self.miner), torch.no_grad():
                    chosen = [self.miner(rows, labels)]
            with calling("loss", self.name):
                value = self.loss(rows, labels, *chosen)
        rule = "it must return a scalar tensor with a gradient"
        if not isinstance(value, Tensor):
            raise BadInput(f"loss {self.name} returned {type(value).__name__}; {rule}")
        if value.numel() != 1 or not value.is_floating_point():
            shape = f"{str(value.dtype).removeprefix('torch.')} of the shape {tuple(value.shape)}"
            raise BadInput(f"loss {self.name} returned {shape}; {rule}, such as .mean()")
        if torch.is_grad_enabled() and embeddings.requires_grad and not value.requires_grad:
            raise BadInput(f"loss {self.name} returned a number without a gradient; {rule}, made from the embeddings "
                           "by operations of torch")  # fmt: skip
        return value.reshape(())

    @property
    def stats(self) -> dict[str, float]:
        """The loss's own numbers of the last call, if it keeps any."""
        return dict(getattr(self.loss, "stats", {}))

    def get_extra_state(self) -> dict[str, dict[str, Any]]:
        """Plain attributes of the loss and its parts, such as the position in a queue, which no state_dict has."""
        return {name: {key: value for key, value in vars(part).items() if self._kept(key, value)}
                for name, part in self._parts()}  # fmt: skip

    def set_extra_state(self, state: dict[str, dict[str, Any]]) -> None:
        """Restore what :meth:`get_extra_state` gave; only attributes that are there are set."""
        for name, part in self._parts():
            for key, value in state.get(name, {}).items():
                if self._kept(key, getattr(part, key, None)):
                    setattr(part, key, value)

    def _parts(self) -> list[tuple[str, Any]]:
        if isinstance(self.loss, nn.Module):
            return list(self.loss.named_modules())
        return [("", self.loss)] if hasattr(self.loss, "__dict__") and not isinstance(self.loss, type) else []

    @staticmethod
    def _kept(key: str, value: Any) -> bool:
        return type(value) in PLAIN and not key.startswith("_") and key != "training"

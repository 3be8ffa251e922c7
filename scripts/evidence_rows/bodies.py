"""The bodies that rows begin with."""

from dataclasses import replace
from typing import Any

__all__ = ["small_resnet"]


def small_resnet(seed: int = 0) -> Any:
    """The bundled model's body in one orientation, at random weights."""
    import torch

    import omlzoo
    from omlzoo import catalog
    from omlzoo.checkpoints.weights import Weights

    torch.manual_seed(seed)
    model = catalog.find("models", "resnet_small")(turns=1)
    entry = omlzoo.get_weights("resnet_small_omniglot").entry
    arguments: dict[str, Any] = {"turns": 1}
    model.weights = Weights(
        replace(entry, arch_args=arguments, dim=128, sha256=None, size=None, fingerprint=None, metrics=(), file=None),
        origin="random weights",
    )
    return model.eval()

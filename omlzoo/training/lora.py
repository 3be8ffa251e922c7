"""Low-rank updates of linear layers (LoRA, arXiv 2106.09685), by the peft library."""

from typing import Any

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.models._text_tower import TextTower

__all__ = ["add_lora", "merge_lora"]


def add_lora(model: Extractor | TextTower, rank: int) -> None:
    """Freeze the model, and add low-rank updates to each linear layer of all stages but the first and the last.

    A layer inside torch's attention, which reads its weights without calling it, has none.

    Args:
        model: The extractor or text tower, changed in place.
        rank: Rank of the updates, at least 1.

    Raises:
        BadInput: The model has no such layer.
        MissingExtra: peft is not installed.
    """
    peft = catalog.optional("peft", "lora")
    within = {
        id(part)
        for stage in model.stages()[1:-1]
        for whole in stage
        if isinstance(whole, nn.Module)
        for part in whole.modules()
    }
    names = [name for name, part in model.named_modules() if _is_called(part) and id(part) in within]
    if not names:
        raise BadInput(f"lora is {rank}, but {type(model).__name__} has no linear layers in its blocks; set lora to 0")
    peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), model)


def _is_called(part: nn.Module) -> bool:
    return isinstance(part, nn.Linear) and not isinstance(part, NonDynamicallyQuantizableLinear)


def merge_lora(model: nn.Module) -> nn.Module:
    """The model with the updates added to its layers, in place; without any, it is left as it is."""
    for name, part in list(model.named_modules()):
        layer: Any = part
        if hasattr(layer, "lora_A") and hasattr(layer, "get_base_layer"):
            layer.merge()
            above, _, last = name.rpartition(".")
            setattr(model.get_submodule(above), last, layer.get_base_layer())
    return model

"""The precision of a run's steps: asked for, kept by the run, or decided by a rehearsal of steps."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.embedding.choices import some_of
from omlzoo.embedding.hardware import has_bf16, multiplies_bf16
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.rehearsal import Choice, may_rehearse, memory_of, rehearse, remember, remembered
from omlzoo.errors import notice
from omlzoo.models._extractor import Extractor
from omlzoo.training import state
from omlzoo.training.distributed import from_first, is_first
from omlzoo.training.freezing import freeze
from omlzoo.training.recipe import Recipe

__all__ = ["decide_precision"]


def decide_precision(body: Extractor, recipe: Recipe, rows: Table, device: torch.device, last: Path) -> Recipe:
    """The recipe with its precision decided, the same in all processes.

    A run that is resumed keeps the precision that it has, on whatever machine. The first process decides for all.

    Args:
        body: The model as training begins, on its device. It stays as it is.
        recipe: The settings; where the precision is not "auto", they are returned as they are.
        rows: The rows to train on.
        device: Where it is trained.
        last: The saved state of the run, if there is one.
    """
    if recipe.precision != "auto":
        return recipe
    return recipe.changed({"precision": from_first(_decided(body, recipe, rows, device, last) if is_first() else None)})


def _decided(body: Extractor, recipe: Recipe, rows: Table, device: torch.device, last: Path) -> str:
    kept = state.kept_precision(last) if last.is_file() else None
    if kept is not None:
        return kept
    plain = "bf16" if multiplies_bf16(device) else "fp32"
    if not has_bf16(device):
        return plain
    memory = memory_of(body, device, ["train", recipe.freeze])
    known = remembered(memory)
    if known is not None:
        return known.precision
    if not may_rehearse(len(rows)):
        return plain
    decoded, _ = Pipeline.of(body, ComputeOptions(precision="fp32", device=str(device))).decode(some_of(rows))
    pixels = [picture for picture in decoded if picture is not None]
    if len(pixels) < 2:
        return plain
    ways = {Choice("torch", "fp32"): _steps(body, recipe, device, False)}
    ways[Choice("torch", "bf16")] = _steps(body, recipe, device, True)
    found = rehearse(ways, pixels, device)
    remember(memory, found)
    notice(f"{body.entry.name}: training was rehearsed on {len(pixels)} pictures, {found}; kept for this machine and "
           "for the run, precision overrides it")  # fmt: skip
    return found.taken.precision


def _steps(
    body: Extractor, recipe: Recipe, device: torch.device, half: bool
) -> Callable[[Sequence[Tensor]], np.ndarray]:
    """A forward and a backward pass of a copy of the model, from pixels to embeddings."""
    model = copy.deepcopy(body).eval()
    freeze(model, recipe.freeze)
    if half:
        catalog.shared("models._attention", "explicit_in_bf16")(model)
    normalize = Transform(body.entry.preprocess).normalize

    def compute(pixels: Sequence[Tensor]) -> np.ndarray:
        images = normalize(torch.stack(list(pixels)).to(device)).contiguous(memory_format=torch.channels_last)
        with torch.enable_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            vectors = model(images).float()
        if vectors.requires_grad:
            vectors.sum().backward()
            model.zero_grad(set_to_none=True)
        found: np.ndarray = vectors.detach().cpu().numpy()
        return found

    return compute

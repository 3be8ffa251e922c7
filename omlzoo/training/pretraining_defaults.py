"""Settings of pre-training that follow from the number of pictures, the model and where it starts."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo import catalog
from omlzoo.data.images import to_rgb
from omlzoo.errors import BadImage
from omlzoo.models._extractor import Extractor
from omlzoo.training.own_parts import is_own

__all__ = ["LEAST", "drawn", "suggest_pretraining"]

LEAST = 500  # pictures from which a model can learn from nothing
PROTOTYPES = ((20_000, 1024), (50_000, 2048), (100_000, 4096), (200_000, 16_384), (500_000, 32_768))
LARGEST = 65_536  # prototypes, and keys of a queue
SAMPLE, COLOURLESS = 64, 4.0  # pictures that are looked at, and levels between channels of one without colour
WIDE, MANY = 2048, 100_000  # numbers of a projection of fewer than so many pictures
VIEWS = {"DINO": "dino", "IBOT": "dino", "MAE": "crop"}  # those of the papers where it is not "mild"
STEPS = 6_000  # about, of a run on few pictures


def suggest_pretraining(
    pictures: int, model: Extractor, scratch: bool, drawings: bool, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Suggest settings; docs/pretraining.md has the rules and where they come from.

    Args:
        pictures: Number of pictures, a burst counted once.
        model: The model that is trained.
        scratch: Whether it starts from random weights.
        drawings: Whether the pictures have no colour.
        given: Settings that were decided.

    Returns:
        Settings by name, without those that were given.
    """
    transformer = "tokens" in _outputs(model)
    objective = given.get("objective") or _objective(pictures, transformer)
    batch = int(min(256 if pictures >= 5000 else 128, max(2, pictures // 4)))
    per_epoch = max(1, pictures // batch)
    epochs = int(np.clip(STEPS // per_epoch, 5, 200)) if scratch else int(np.clip(STEPS // 3 // per_epoch, 3, 60))
    chosen: dict[str, Any] = {
        "objective": objective, "n_labels": batch, "n_instances": 1, "sampler": "Balanced",
        "epochs": epochs, "lr": (1e-3 if scratch else 1e-4) * (given.get("n_labels") or batch) / 128,
        "views": "drawing" if drawings else VIEWS.get(objective, "mild"), "selection": 0.1,
        "duplicates": False,
    }  # fmt: skip
    if objective == "MAE":
        chosen["globals"] = 1
    if objective in ("DINO", "IBOT", "SwAV"):
        chosen["locals"] = 4 if min(model.entry.preprocess.crop) >= 64 else 0
    arguments = _arguments(objective, pictures)
    if arguments and "objective_args" not in given:
        chosen["objective_args"] = arguments
    return {name: value for name, value in chosen.items() if name not in given}


def drawn(files: Sequence[Path]) -> bool:
    """Whether pictures have no colour, as drawings and characters do: all of up to 64 of them."""
    seen = 0
    for number in np.linspace(0, len(files) - 1, min(SAMPLE, len(files))).astype(int):
        try:
            pixels = np.asarray(to_rgb(files[int(number)]).resize((32, 32))).astype(float)
        except BadImage:
            continue
        seen += 1
        if (pixels.max(axis=2) - pixels.min(axis=2)).mean() > COLOURLESS:
            return False
    return seen > 0


def _objective(pictures: int, transformer: bool) -> str:
    if transformer and pictures > 100_000:
        return "DINO"
    return "SimCLR" if pictures <= 20_000 else "BYOL"


def _arguments(objective: str, pictures: int) -> dict[str, Any]:
    """Sizes that follow from the number of pictures: a queue never holds more than half of them."""
    if not isinstance(objective, str) or is_own(objective):
        return {}
    takes = inspect.signature(catalog.find("objectives", objective)).parameters
    found: dict[str, Any] = {}
    if "queue" in takes and takes["queue"].default:
        found["queue"] = int(2 ** np.floor(np.log2(np.clip(pictures // 2, 16, LARGEST))))
    if "prototypes" in takes and isinstance(takes["prototypes"].default, int):
        found["prototypes"] = next((number for limit, number in PROTOTYPES if pictures < limit), LARGEST)
    if objective == "PCL" and pictures < MANY:
        found["prototypes"] = [max(2, pictures // share) for share in (50, 25, 12)]
    if "hidden" in takes and (takes["hidden"].default or 0) > WIDE and pictures < MANY:
        found |= {"hidden": WIDE, "dim": WIDE}  # VICReg and Barlow Twins: authors' 8192 are for a million pictures
    if objective == "SimCLR":
        found["temperature"] = 0.2
    return found


def _outputs(model: Extractor) -> set[str]:
    import torch

    first = next(model.parameters())
    with torch.no_grad():
        picture = torch.zeros(1, 3, *model.entry.preprocess.crop, device=first.device, dtype=first.dtype)
        return set(model.eval().features(picture))

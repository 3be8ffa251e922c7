"""The calibrated int8 model that is kept for a model: where it is, and what tells it from another one."""

import hashlib
import json
from pathlib import Path

from omlzoo.checkpoints import cache
from omlzoo.checkpoints.state_dict import state_digest
from omlzoo.files import file_digest
from omlzoo.models._extractor import Extractor

__all__ = ["MODEL", "int8_digest", "int8_file"]

MODEL = "model.xml"  # beside its numbers, model.bin, as OpenVINO writes them


def int8_file(model: Extractor) -> Path:
    """Where the calibrated int8 model of a model is kept, or would be."""
    entry = model.entry
    facts = [state_digest(model.state_dict()), entry.preprocess.crop, model.normalize, entry.arch, entry.arch_args]
    return cache.home() / "int8" / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32] / MODEL


def int8_digest(path: Path) -> str | None:
    """The sha256 of a calibrated model and its numbers; None where there is none."""
    files = (path, path.with_suffix(".bin"))
    if not all(file.is_file() for file in files):
        return None
    return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()

"""Exported models that are kept for other engines, in files that are found by what they compute."""

import hashlib
import json
from pathlib import Path

from omlzoo.checkpoints import cache

__all__ = ["engine_file", "kept_engine"]


def engine_file(model: str, sha256: str, size: tuple[int, int], normalized: bool, facts: str) -> Path:
    """Where the exported file of a model is kept.

    Args:
        model: The address that ``omlzoo.get_model`` opens.
        sha256: That of the weights, as the record of embeddings has it.
        size: Height and width in pixels of the images.
        normalized: Whether embeddings are divided by their L2 norm.
        facts: All that the file depends on, such as the architecture and the versions of packages.
    """
    digest = hashlib.sha256(facts.encode()).hexdigest()
    return cache.home() / "engines" / f"{_key(model, sha256, size, normalized)}-{digest}.onnx"


def kept_engine(model: str, sha256: str, size: tuple[int, int], normalized: bool) -> Path | None:
    """The newest file of a model that :func:`engine_file` named; None where none is kept. Torch is not imported.

    Args:
        model: As there.
        sha256: As there.
        size: As there.
        normalized: As there.
    """
    files = (cache.home() / "engines").glob(f"{_key(model, sha256, size, normalized)}-*.onnx")
    return max(files, key=lambda path: path.stat().st_mtime, default=None)


def _key(model: str, sha256: str, size: tuple[int, int], normalized: bool) -> str:
    return hashlib.sha256(json.dumps([model, sha256, list(size), normalized]).encode()).hexdigest()[:32]

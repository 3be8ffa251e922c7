"""Pretrained extractors for metric learning: ``omlzoo.vits16_inshop(pretrained=True)``.

Every file of the manifest is a function here, and so is every act: ``embed``, ``build_index``, ``evaluate``,
``finetune``. Nothing heavy is imported until one is used.
"""

from importlib import import_module
from typing import Any

from omlzoo.catalog import SHELVES
from omlzoo.checkpoints import manifest

__version__ = "0.1.0"

ACTS = {
    "list_models": "zoo.registry",
    "get_model": "zoo.registry",
    "get_weights": "zoo.registry",
    "get_text_model": "zoo.text_model",
    "recommend": "zoo.recommending",
    "Weights": "checkpoints.weights",
    "embed": "embedding.extraction",
    "embed_shards": "embedding.extraction",
    "Embeddings": "embedding.embeddings",
    "load_embeddings": "embedding.shards",
    "calibrate": "evaluation.calibration_fit",
    "build_index": "index.build",
    "open_index": "index.build",
    "evaluate": "evaluation.evaluation",
    "finetune": "training",
    "wrap": "zoo.wrapping",
    "export": "zoo.exporting",
}

ROOMS = tuple(shelf for shelf in SHELVES if "." not in shelf)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'omlzoo' has no attribute {name!r}")
    if name in ACTS:
        return getattr(import_module(f"omlzoo.{ACTS[name]}"), name)
    if name in ROOMS:
        return import_module(f"omlzoo.{name}")
    if name in manifest.names():
        from omlzoo.zoo.registry import checkpoint

        return checkpoint(name)
    from omlzoo.errors import UnknownName

    raise AttributeError(str(UnknownName("omlzoo", name, [*ACTS, *ROOMS, *manifest.names()])))


def __dir__() -> list[str]:
    return sorted([*ACTS, *ROOMS, *manifest.names(), "__version__"])

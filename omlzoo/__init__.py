"""Pretrained extractors for metric learning: ``omlzoo.vits16_inshop(pretrained=True)``.

Every file of the manifest is a function here, and so is every act: ``embed``, ``build_index``, ``evaluate``,
``finetune``. Nothing heavy is imported until one is used.
"""

from importlib import import_module
from typing import Any

from omlzoo import manifest
from omlzoo.catalog import SHELVES

__version__ = "0.1.0"

ACTS = {
    "list_models": "zoo",
    "get_model": "zoo",
    "get_weights": "zoo",
    "get_text_model": "texts",
    "Weights": "weights",
    "embed": "extraction",
    "embed_shards": "extraction",
    "Embeddings": "embeddings",
    "load_embeddings": "shards",
    "calibrate": "calibrating",
    "build_index": "indexing",
    "open_index": "indexing",
    "evaluate": "evaluation",
    "finetune": "training",
    "export": "exporting",
}

ROOMS = tuple(shelf for shelf in SHELVES if shelf != "index")


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'omlzoo' has no attribute {name!r}")
    if name in ACTS:
        return getattr(import_module(f"omlzoo.{ACTS[name]}"), name)
    if name in ROOMS:
        return import_module(f"omlzoo.{name}")
    if name in manifest.names():
        from omlzoo import zoo

        return zoo.checkpoint(name)
    from omlzoo.errors import UnknownName

    raise AttributeError(str(UnknownName("omlzoo", name, [*ACTS, *ROOMS, *manifest.names()])))


def __dir__() -> list[str]:
    return sorted([*ACTS, *ROOMS, *manifest.names(), "__version__"])

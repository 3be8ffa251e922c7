"""Pretrained extractors for metric learning: ``omlzoo.vits16_inshop(pretrained=True)``.

Every file of the manifest is a function here, and so is every act: ``embed``, ``build_index``, ``evaluate``,
``finetune``. Nothing heavy is imported until one is used.
"""

from importlib import import_module
from typing import Any

from omlzoo.catalog import ACTS, ROOMS
from omlzoo.checkpoints import manifest

__version__ = "0.1.0"

# What other packages call it.
ELSEWHERE = dict.fromkeys(("load", "create_model", "from_pretrained", "AutoModel", "SentenceTransformer"), "get_model")
ELSEWHERE |= {"encode": "embed", "extract": "embed", "inference": "embed", "train": "finetune", "fit": "finetune"}


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

    if name in ELSEWHERE:
        raise AttributeError(f"omlzoo has no {name!r}; did you mean {ELSEWHERE[name]}?")
    raise AttributeError(str(UnknownName("omlzoo", name, [*ACTS, *ROOMS, *manifest.names()])))


def __dir__() -> list[str]:
    return sorted([*ACTS, *ROOMS, *manifest.names(), "__version__"])

"""The names that timm registers itself, and what it says about each. Nothing else ever reaches timm."""

import re
from typing import Any

from omlzoo.errors import UnknownName

__all__ = ["TIMM", "configuration"]

TIMM = "timm:"  # before a name of timm, where the name of an architecture or checkpoint stands
NAME = re.compile(r"\w+(\.\w+)?", re.ASCII)  # no address, no path


def configuration(name: str) -> Any:
    """What timm says about a model: its ``PretrainedCfg``, with the architecture and the tag that the name stands for.

    Args:
        name: A model of timm with or without a tag, such as "convnext_tiny.in12k"; without one timm's first is meant.

    Raises:
        UnknownName: The installed timm has no such model or tag; similar names are suggested.
    """
    import timm
    from timm.models import get_pretrained_cfg, is_model, model_entrypoint, split_model_name_tag

    known = NAME.fullmatch(name) is not None
    arch, tag = split_model_name_tag(name) if known else ("", "")
    if known and is_model(arch) and model_entrypoint(arch).__module__.startswith("timm."):
        tagged = timm.list_models(f"{arch}.*", pretrained=True)
        if not tag or name in tagged:
            return get_pretrained_cfg(name)
        raise UnknownName(f"timm {timm.__version__}", name, [*tagged, arch])
    raise UnknownName(f"timm {timm.__version__}", name, [*timm.list_models(), *timm.list_models(pretrained=True)])

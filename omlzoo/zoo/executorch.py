"""Models for phones and small devices: ExecuTorch programs of one picture at a time, with XNNPACK's kernels."""

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.errors import MissingExtra

__all__ = ["load_program", "read_text", "write_program"]

METHOD = "forward"


def write_program(model: nn.Module, size: tuple[int, int], path: Path, key: str, text: str) -> None:
    """Write a model of images (1, 3, H, W) as a program.

    Args:
        model: In eval mode.
        size: (H, W).
        path: Of the ``.pte`` file.
        key: Name of a text inside, see :func:`read_text`.
        text: The text.

    Raises:
        MissingExtra: executorch is not installed.
    """
    exir, xnnpack = _part("exir"), _part("backends.xnnpack.partition.xnnpack_partitioner")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = torch.export.export(model, (torch.zeros(1, 3, *size),))
        lowered = exir.to_edge_transform_and_lower(
            exported, partitioner=[xnnpack.XnnpackPartitioner()], constant_methods={key: text}
        )
        path.write_bytes(lowered.to_executorch().buffer)


def load_program(path: Path) -> Callable[[Tensor], Tensor]:
    """From images (B, 3, H, W) to embeddings (B, dim), picture by picture."""
    method = _part("runtime").Runtime.get().load_program(str(path)).load_method(METHOD)
    return lambda images: torch.cat([method.execute([one[None].contiguous()])[0].clone() for one in images])


def read_text(path: Path, key: str) -> str:
    """The text of that name inside a program."""
    return str(_part("runtime").Runtime.get().load_program(str(path)).load_method(key).execute([])[0])


def _part(name: str) -> Any:
    try:
        return import_module(f"executorch.{name}")
    except ImportError as error:
        raise MissingExtra("executorch", "executorch") from error

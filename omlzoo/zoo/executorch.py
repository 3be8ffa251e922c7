"""ExecuTorch programs, for phones and small devices. They embed one image at a time, with the kernels of XNNPACK."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo import catalog

__all__ = ["load_program", "read_text", "write_program"]

METHOD = "forward"


def write_program(model: nn.Module, size: tuple[int, int], path: Path, key: str, text: str) -> None:
    """Write a model as an ExecuTorch program that takes one image (1, 3, H, W).

    Args:
        model: The model, on the CPU and in eval mode.
        size: Height and width of the images in pixels.
        path: The ``.pte`` file to write.
        key: Name under which ``text`` is stored in the file, see :func:`read_text`.
        text: A text to store in the file.

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
    """Load a program as a function from images (B, 3, H, W) to embeddings (B, dim), which runs image by image."""
    method = _part("runtime").Runtime.get().load_program(str(path)).load_method(METHOD)
    return lambda images: torch.cat([method.execute([one[None].contiguous()])[0].clone() for one in images])


def read_text(path: Path, key: str) -> str:
    """Read a text that is stored in a program.

    Args:
        path: A ``.pte`` file that :func:`write_program` wrote.
        key: Name of the text.
    """
    return str(_part("runtime").Runtime.get().load_program(str(path)).load_method(key).execute([])[0])


def _part(name: str) -> Any:
    return catalog.optional(f"executorch.{name}", "executorch")

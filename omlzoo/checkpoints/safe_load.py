"""Opening checkpoint files without running code from them: safetensors, ``.pth`` files and TorchScript archives."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from omlzoo.checkpoints.state_dict import load_tensors
from omlzoo.errors import WeightsMismatch

__all__ = ["open_file"]


def open_file(path: Path, name: str) -> Mapping[str, Any]:
    """Read the tensors and plain values of a checkpoint file.

    Tensors are mapped into memory where the format allows it, and read when they are used.

    Args:
        path: The file. Its format is recognised from its content, not from its suffix.
        name: Name of the checkpoint, for error messages.

    Raises:
        WeightsMismatch: The file is damaged, or holds other objects than tensors and plain values.
    """
    with path.open("rb") as file:
        start = file.read(9)
    if len(start) == 9 and start[8:] == b"{":  # safetensors: eight bytes that give the size of a JSON header
        return load_tensors(path)
    try:
        if _is_torchscript(path):
            return torch.jit.load(str(path), map_location="cpu").state_dict()  # type: ignore[no-any-return, no-untyped-call]
        mapped = zipfile.is_zipfile(path)
        raw = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (
        UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
    ) as error:
        # torch's message for a pickle that it refuses recommends to load it unsafely, so it is not shown.
        hidden = not str(error) or isinstance(error, UnpicklingError)
        reason = type(error).__name__ if hidden else str(error).splitlines()[0]
        raise WeightsMismatch(
            f"{name}: {path.name} is no checkpoint of plain tensors, and other pickled objects are not loaded "
            f"({reason}); ask for a safetensors file"
        ) from error
    if not isinstance(raw, dict):
        raise WeightsMismatch(f"{name}: {path.name} holds a {type(raw).__name__}; a dict of tensors is wanted")
    return raw


def _is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, as OpenAI's CLIP files are; torch reads them without Python's pickle."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())

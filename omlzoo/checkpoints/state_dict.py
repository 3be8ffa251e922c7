"""State dicts: reading them from safetensors files, checking and comparing them, and loading them into a model."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, isfinite, nn, uint8

from omlzoo.errors import WeightsMismatch

__all__ = ["check_finite", "compare_shapes", "load_into", "load_tensors", "state_digest"]


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. They are mapped into memory and read when they are used.

    Raises:
        WeightsMismatch: The file is damaged or not a safetensors file.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMismatch(f"{path}: not a whole safetensors file ({error}); fetch or convert it again") from error


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Check that no tensor holds NaN or infinity.

    Args:
        state: The state dict. Integer tensors are not checked.
        name: Name of the checkpoint or file, for the error message.

    Raises:
        WeightsMismatch: A tensor holds NaN or infinity; the message names it.
    """
    for key, tensor in state.items():
        if tensor.is_floating_point() and not isfinite(tensor).all():
            count = int((~isfinite(tensor)).sum())
            raise WeightsMismatch(f"{name}: {count} values of {key} are NaN or infinite; these weights are of no use")


def state_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 of the names, types, shapes and values of a state dict, as hex digits, for weights that are in no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(uint8).numpy().tobytes())
    return digest.hexdigest()


def load_into(model: nn.Module, old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Load weights into a model without a second copy in memory. All names and shapes must agree.

    Args:
        model: The model that takes the weights.
        old: The current state dict of the model.
        new: The weights to load. They are converted to the data types of ``old``.
        name: Name of the checkpoint, for error messages.
        arch: Name of the architecture, for error messages.

    Raises:
        WeightsMismatch: The names or shapes of ``new`` are not those of ``old``.
    """
    compare_shapes(old, new, name, arch)
    model.load_state_dict({key: tensor.to(old[key].dtype) for key, tensor in new.items()}, assign=True)


def compare_shapes(old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Check that weights have the names and shapes of a model's state dict.

    Args:
        old: The state dict of the model.
        new: The weights.
        name: Name of the checkpoint, for the error message.
        arch: Name of the architecture, for the error message.

    Raises:
        WeightsMismatch: A name is missing or unknown, or a shape differs; the message names the first three.
    """
    old_shapes = {key: tuple(tensor.shape) for key, tensor in old.items()}
    new_shapes = {key: tuple(tensor.shape) for key, tensor in new.items()}
    wrong = sorted(key for key in old_shapes.keys() | new_shapes.keys() if old_shapes.get(key) != new_shapes.get(key))
    if wrong:
        differences = "; ".join(_difference(key, old_shapes.get(key), new_shapes.get(key)) for key in wrong[:3])
        count = f"{len(wrong)} of {len(old_shapes)} tensors differ"
        raise WeightsMismatch(f"{name}: the weights do not fit {arch}; {count}: {differences}")


def _difference(name: str, wanted: tuple[int, ...] | None, found: tuple[int, ...] | None) -> str:
    if wanted is None:
        return f"{name} is not part of it"
    return f"{name} is missing" if found is None else f"{name} is {found} and must be {wanted}"

"""State dicts: read from safetensors, checked, compared, and loaded into a model."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, isfinite, nn, uint8

from omlzoo.errors import WeightsMismatch

__all__ = ["check_finite", "compare_shapes", "load_into", "load_tensors", "state_digest"]


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory and read when they are used.

    Raises:
        WeightsMismatch: The file is damaged or not of that format.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMismatch(f"{path}: not a whole safetensors file ({error}); fetch or convert it again") from error


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Raise WeightsMismatch where a tensor holds NaN or infinity."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not isfinite(tensor).all():
            count = int((~isfinite(tensor)).sum())
            raise WeightsMismatch(f"{name}: {count} values of {key} are NaN or infinite; these weights are of no use")


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Hex sha256 of names and values, for weights that are in no file."""
    found = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(uint8).numpy().tobytes())
    return found.hexdigest()


def load_into(model: nn.Module, old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Load weights without a second copy in memory; every name and every shape has to agree.

    Args:
        model: Is filled.
        old: Its state dict.
        new: The weights; they take the types of the old ones.
        name: Of the checkpoint, for messages.
        arch: Of the architecture, for messages.

    Raises:
        WeightsMismatch: They do not fit.
    """
    compare_shapes(old, new, name, arch)
    model.load_state_dict({key: tensor.to(old[key].dtype) for key, tensor in new.items()}, assign=True)


def compare_shapes(old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Raise WeightsMismatch where two state dicts differ in names or shapes."""
    wanted = {key: tuple(tensor.shape) for key, tensor in old.items()}
    found = {key: tuple(tensor.shape) for key, tensor in new.items()}
    wrong = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if wrong:
        said = "; ".join(_difference(key, wanted.get(key), found.get(key)) for key in wrong[:3])
        count = f"{len(wrong)} of {len(wanted)} tensors differ"
        raise WeightsMismatch(f"{name}: the weights do not fit {arch}; {count}: {said}")


def _difference(name: str, wanted: tuple[int, ...] | None, found: tuple[int, ...] | None) -> str:
    if wanted is None:
        return f"{name} is not part of it"
    return f"{name} is missing" if found is None else f"{name} is {found} and must be {wanted}"

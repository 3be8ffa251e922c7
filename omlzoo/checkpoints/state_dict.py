"""State dicts: reading them from safetensors files, checking and comparing them, and loading them into a model."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, isfinite, nn, uint8

from omlzoo.errors import BadInput, OmlzooError, WeightsMismatch
from omlzoo.files import check_regular
from omlzoo.jsonio import parse_json

__all__ = ["check_finite", "check_header", "compare_shapes", "differences", "load_into", "load_tensors", "state_digest"]


LENGTH = 8  # bytes that give the length of the header of a safetensors file
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # kinds that are turned into each other


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. They are mapped into memory and read when they are used.

    Raises:
        WeightsMismatch: The file is damaged or not a safetensors file.
    """
    try:
        check_regular(path)
        return load_file(path)
    except Exception as error:  # the package raises classes of its own, and others for kinds of numbers it cannot read
        said = str(error) if isinstance(error, OmlzooError) else f"{type(error).__name__}: {error}"[:300]
        raise WeightsMismatch(f"{path}: not a whole safetensors file ({said}); fetch or convert it again") from error


def check_header(path: Path) -> None:
    """Check that no tensor of a safetensors file has the name of another, of which the package would read the last.

    Raises:
        WeightsMismatch: Two have one name, or the header is no JSON.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH), "little")
        header = file.read(min(length, path.stat().st_size))
    try:
        parse_json(header, "its header")
    except BadInput as error:
        raise WeightsMismatch(f"{path}: not a whole safetensors file ({error}); fetch or convert it again") from error


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Check that no tensor holds NaN or infinity.

    Args:
        state: The state dict. Whole numbers are not checked.
        name: Name of the checkpoint or file, for the error message.

    Raises:
        WeightsMismatch: A tensor holds NaN or infinity; the message names it.
    """
    for key, tensor in state.items():
        if not tensor.is_floating_point() and not tensor.is_complex():
            continue
        finite = isfinite(tensor if tensor.is_complex() or tensor.dtype in FLOATS else tensor.float())
        if not finite.all():
            count = int((~finite).sum())
            raise WeightsMismatch(f"{name}: {count} values of {key} are NaN or infinite; these weights are of no use")


def state_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 of the names, types, shapes and values of a state dict, as hex digits, for weights that are in no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(uint8).numpy().tobytes())
    return digest.hexdigest()


def load_into(model: nn.Module, old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Load weights into a model without a second copy in memory. All names, shapes and kinds of numbers must agree.

    Args:
        model: The model that takes the weights.
        old: The current state dict of the model.
        new: The weights to load. They are converted to the data types of ``old``.
        name: Name of the checkpoint, for error messages.
        arch: Name of the architecture, for error messages.

    Raises:
        WeightsMismatch: The names or shapes of ``new`` are not those of ``old``, or numbers are of another kind.
    """
    compare_shapes(old, new, name, arch)
    state = {key: tensor.to(old[key].dtype) for key, tensor in new.items()}
    tied = len(list(model.named_parameters(remove_duplicate=False))) > len(list(model.parameters()))
    model.load_state_dict(state, assign=not tied)  # to assign would tear two names of one parameter apart


def compare_shapes(old: Mapping[str, Tensor], new: Mapping[str, Tensor], name: str, arch: str) -> None:
    """Check that weights have the names, shapes and kinds of numbers of a model's state dict.

    Floating-point numbers of 16, 32 and 64 bits are of one kind, and whole numbers are; no other is like another.

    Args:
        old: The state dict of the model.
        new: The weights.
        name: Name of the checkpoint, for the error message.
        arch: Name of the architecture, for the error message.

    Raises:
        WeightsMismatch: A name is missing or unknown, or a shape or kind differs; the message names the first three.
    """
    wrong = differences(old, new)
    if wrong:
        count = f"{len(wrong)} of {len({*old, *new})} tensors differ"
        raise WeightsMismatch(f"{name}: the weights do not fit {arch}; {count}: {'; '.join(wrong[:3])}")


def differences(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> list[str]:
    """What :func:`compare_shapes` finds, a text for each tensor; empty if the weights fit.

    Args:
        old: The state dict of the model.
        new: The weights.
    """
    wanted, found = {key: _facts(old[key]) for key in old}, {key: _facts(new[key]) for key in new}
    wrong = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    return [_difference(key, wanted.get(key), found.get(key)) for key in wrong]


def _facts(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    """Shape of a tensor, and the kind of its numbers."""
    plain = tensor.layout == torch.strided and not tensor.is_quantized
    whole = plain and not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    kind = "floating-point" if plain and tensor.dtype in FLOATS else "whole" if whole else str(tensor.dtype)
    return tuple(tensor.shape), kind


def _difference(
    name: str, wanted: tuple[tuple[int, ...], str] | None, found: tuple[tuple[int, ...], str] | None
) -> str:
    if wanted is None:
        return f"{name} is not part of it"
    if found is None:
        return f"{name} is missing"
    if found[0] != wanted[0]:
        return f"{name} is {found[0]} and must be {wanted[0]}"
    return f"{name} has {found[1]} numbers and must have {wanted[1]} ones"

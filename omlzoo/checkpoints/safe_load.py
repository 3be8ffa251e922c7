"""Opening checkpoint files without running code from them: safetensors, ``.pth`` files and TorchScript archives."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omlzoo.checkpoints.archives import read_archive
from omlzoo.checkpoints.legacy import START, read_legacy
from omlzoo.checkpoints.state_dict import check_header, load_tensors
from omlzoo.errors import BadInput, WeightsMismatch
from omlzoo.files import check_regular

__all__ = ["open_file"]


def open_file(path: Path, name: str) -> Mapping[str, Any]:
    """Read the tensors and plain values of a checkpoint file.

    Tensors are mapped into memory where the format allows it, and read when they are used. Neither Python's pickle nor
    torch's loaders see the file: :mod:`omlzoo.checkpoints.pickles` reads pickles, and nothing that they name is run.

    Args:
        path: The file. Its format is recognised from its content, not from its suffix.
        name: Name of the checkpoint, for error messages.

    Returns:
        The content by key. Keys that are no text are left out.

    Raises:
        WeightsMismatch: The file is damaged, or holds other objects than tensors and plain values.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            start = file.read(9)
        if start[8:9] == b"{":  # safetensors: eight bytes that give the size of a JSON header
            check_header(path)
            return load_tensors(path)
        if start.startswith(START):
            raw = read_legacy(path)
        elif zipfile.is_zipfile(path):
            raw = read_archive(path)
        else:
            raise WeightsMismatch("it is neither safetensors nor of torch.save")
    except BadInput as error:
        raise WeightsMismatch(f"{name}: {error}") from error
    except Exception as error:  # a damaged file may end its reading anywhere, and whatever is wrong is one error
        if isinstance(error, WeightsMismatch) and str(path) in str(error):
            raise
        reason = str(error).splitlines()[0][:300] if isinstance(error, WeightsMismatch | OSError) else "it is damaged"
        raise WeightsMismatch(
            f"{name}: {path.name} is no checkpoint of plain tensors, and other pickled objects are not loaded "
            f"({reason}); ask for a safetensors file"
        ) from error
    if not isinstance(raw, dict):
        raise WeightsMismatch(f"{name}: {path.name} holds a {type(raw).__name__}; a dict of tensors is wanted")
    return {key: value for key, value in raw.items() if isinstance(key, str)}

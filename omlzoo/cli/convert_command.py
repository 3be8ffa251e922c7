"""omlzoo convert."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line
from omlzoo.zoo.conversion import convert

__all__ = ["convert_command"]


def convert_command(
    checkpoint: Path,
    *,
    arch: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    layout: str | None = None,
    like: str | None = None,
    key: str | None = None,
    normalize: bool | None = None,
) -> None:
    """Convert a foreign checkpoint to a folder with safetensors and an entry; no code in the file is run.

    Parameters
    ----------
    checkpoint
        A .safetensors, .pth or TorchScript file in a known layout.
    arch
        The architecture, such as vits16.
    out
        The folder to write; get_model opens it.
    layout
        Name of the file's layout, where it should not be recognised from the keys.
    like
        A checkpoint of the zoo whose preprocessing is taken; by default the first one of the architecture that fits.
    key
        The state dict to take from a file that has several, such as state_dict_ema or student.
    normalize
        Divide embeddings by their L2 norm.
    """
    entry, layout_name = convert(checkpoint, arch, out, layout=layout, like=like, key=key, normalize=normalize)
    print_line(f"layout {layout_name}")
    print_line(f"{out}: {entry.arch}, dim {entry.dim}, sha256 {entry.sha256}")
    print_line(entry.notes)

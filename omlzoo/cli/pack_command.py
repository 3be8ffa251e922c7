"""omlzoo pack."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line
from omlzoo.cli.trusting import Trusted

__all__ = ["pack_command"]


def pack_command(
    model: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    name: str | None = None,
    version: str = "1.0.0",
    overwrite: bool = False,
    trust: Trusted = None,
) -> None:
    """Build a wheel with weights, entry and card; installing it adds the name to the zoo.

    Parameters
    ----------
    model
        A run folder, a checkpoint of the zoo, hf-hub:org/repo, or timm:NAME.
    out
        The folder to write the wheel into.
    name
        Name of the checkpoint; by default that of the folder.
    version
        Version of the package.
    overwrite
        Replace a wheel of the same name and version.
    """
    from omlzoo.zoo.packing import pack

    wheel = pack(model, out, name=name, version=version, overwrite=overwrite, trust=trust)
    print_line(str(wheel))

"""omlzoo export."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line
from omlzoo.cli.trusting import Trusted, allow

__all__ = ["export_command"]


def export_command(
    model: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    int8: bool = False,
    overwrite: bool = False,
    trust: Trusted = None,
) -> None:
    """Write a model for another engine, checked by running it, with its entry inside.

    Parameters
    ----------
    model
        A checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    out
        FILE.onnx, FILE.pt for TorchScript, or FILE.pte for ExecuTorch.
    int8
        8-bit weights (ONNX).
    overwrite
        Replace an exported file of another model.
    """
    allow(trust)
    from omlzoo.zoo.exporting import export

    done = export(model, out, int8=int8, overwrite=overwrite)
    height, width = done.size
    megabytes = done.path.stat().st_size / 1e6
    near = f"within {done.difference:.1e} of the model, cosine at least {done.cosine:.5f}"
    batch = "1" if out.suffix.lower() == ".pte" else "batch"
    print_line(f"{out}: images ({batch}, 3, {height}, {width}), {megabytes:.1f} MB, {near}")

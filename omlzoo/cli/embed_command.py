"""omlzoo embed."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

__all__ = ["embed_command"]


def embed_command(
    model: str,
    source: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    batch_size: int = 32,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    workers: int | None = None,
    device: str = "auto",
    root: Path | None = None,
) -> None:
    """Turn pictures into vectors. An interrupted run that is started again continues.

    Parameters
    ----------
    model
        A checkpoint of the zoo, a run folder, or hf-hub:org/repo.
    source
        A folder of pictures, a csv or parquet table, or one picture.
    out
        The Parquet file to write.
    batch_size
        Pictures that go through the model at once.
    precision
        fp32, bf16, or auto: bf16 where the hardware multiplies it.
    workers
        Threads; as many as there are cores by default.
    device
        cpu, cuda, or auto.
    root
        Where a table's relative paths start; its folder by default.
    """
    from omlzoo.extraction import embed

    found = embed(
        model, source, root=root, out=out, batch_size=batch_size, precision=precision, workers=workers, device=device
    )
    good = int(found.good.sum())
    failed = f", {len(found) - good} without a vector (column error says why)" if good < len(found) else ""
    print(f"{out}: {good} vectors of {found.record.dim} numbers{failed}")

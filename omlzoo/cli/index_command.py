"""omlzoo index."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["index_command"]


def index_command(
    embeddings: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    backend: str = "exact",
    calibration: Path | None = None,
) -> None:
    """Build an index over embeddings.

    Parameters
    ----------
    embeddings
        A file that `omlzoo embed` wrote.
    out
        The folder to write.
    backend
        exact looks at every vector.
    calibration
        A folder or JSON file that `omlzoo calibrate` wrote; by default that of the model.
    """
    from omlzoo.embeddings import load_embeddings
    from omlzoo.indexing import build_index

    index = build_index(load_embeddings(embeddings), backend=backend, calibration=calibration)
    index.save(out)
    known = "calibrated" if index.calibration else "not calibrated"
    print(f"{out}: {index.size} rows, {backend}, {index.similarity}, {known}")

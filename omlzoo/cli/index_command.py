"""omlzoo index."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["index_command"]


def index_command(
    embeddings: Path, *, out: Annotated[Path, Parameter(name=["--out", "-o"])], backend: str = "exact"
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
    """
    from omlzoo.embeddings import load_embeddings
    from omlzoo.indexing import build_index

    index = build_index(load_embeddings(embeddings), backend=backend)
    index.save(out)
    print(f"{out}: {index.size} rows, {backend}, {index.similarity}")

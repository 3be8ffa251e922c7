"""omlzoo index."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.cli.output import print_line
from omlzoo.errors import BadInput
from omlzoo.jsonio import parse_json

__all__ = ["index_command", "option_values"]


def index_command(
    embeddings: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    backend: str = "exact",
    option: dict[str, str] | None = None,
    calibration: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Build an index over embeddings.

    Parameters
    ----------
    embeddings
        A file or folder that `omlzoo embed` wrote.
    out
        The folder to write.
    backend
        exact looks at every vector, faiss at a graph of neighbours; docs/search.md has the others.
    option
        Options of the backend: --option.neighbours 16, --option.uri http://host:19530.
    calibration
        A folder or JSON file that `omlzoo calibrate` wrote; by default that of the model.
    overwrite
        Replace an index of another model or of other pictures.
    """
    from omlzoo.embedding.shards import load_embeddings
    from omlzoo.index.build import build_index

    options = option_values(option)
    index = build_index(load_embeddings(embeddings), backend=backend, calibration=calibration, **options)
    index.save(out, overwrite=overwrite)
    known = "calibrated" if index.calibration else "not calibrated"
    recall = (
        index.recall and f", recall@{index.recall.k} {index.recall.value:.3f} on {index.recall.queries} rows of its own"
    )
    print_line(f"{out}: {index.size} rows, {backend}, {index.similarity}, {known}{recall or ''}")


def option_values(option: dict[str, str] | None) -> dict[str, Any]:
    """Options of a backend as they were given, numbers and truth values as such.

    Args:
        option: What was given with ``--option``.
    """
    return {name: _value(text) for name, text in (option or {}).items()}


def _value(text: str) -> object:
    """A number, true or false, a JSON object, or the text itself."""
    try:
        value: object = parse_json(text, "the option")
    except BadInput:
        return text
    return value

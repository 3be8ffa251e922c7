"""The backend of an index by its name: one of ours, or one that another package offers."""

import re
from collections.abc import Mapping
from typing import Any

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._backend import Backend
from omlzoo.ops.similarity import Similarity

__all__ = ["made_searcher"]

METHODS = ("add", "remove", "search", "save", "restore")


def made_searcher(backend: str, similarity: Similarity, dim: int, options: Mapping[str, Any]) -> Backend:
    """A backend without rows.

    Args:
        backend: A name of omlzoo.index.backends, or of an entry point of the group ``omlzoo.backends``.
        similarity: "cosine" or "euclidean".
        dim: Dimension of the vectors.
        options: Its options.

    Raises:
        UnknownName: There is no such backend.
        BadInput: It refuses an option, or lacks what a backend has.
    """
    make = catalog.find("index.backends", backend)
    try:
        searcher: Backend = make(similarity, dim, **options)
    except TypeError as error:
        lacking = re.findall(r"'(\w+)'", str(error)) if "missing" in str(error) else []
        if lacking:
            flags = " ".join(f"--option.{name} VALUE" for name in lacking)
            raise BadInput(
                f"backend {backend} needs {', '.join(lacking)}; give {flags}, in Python {lacking[0]}="
            ) from error
        raise BadInput(f"backend {backend} does not take {sorted(options)} ({error})") from error
    missing = [name for name in METHODS if not callable(getattr(searcher, name, None))]
    if not isinstance(getattr(searcher, "approximate", None), bool):
        missing.append("approximate")
    if missing:
        raise BadInput(
            f"backend {backend} gave a {type(searcher).__name__}, which lacks {', '.join(missing)}; a backend has what "
            "omlzoo.index.backends.Backend says"
        )
    return searcher

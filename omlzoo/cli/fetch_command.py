"""omlzoo fetch."""

from omlzoo import zoo
from omlzoo.errors import BadInput

__all__ = ["fetch_command"]


def fetch_command(*names: str) -> None:
    """Download and verify weights, ready for offline use; prints the local files.

    Parameters
    ----------
    names
        Checkpoints of the zoo.
    """
    if not names:
        raise BadInput("give the names of checkpoints; `omlzoo list` shows them")
    found = [zoo.get_weights(name) for name in names]  # all names are known before the first download
    for weights in found:
        print(weights.fetch())

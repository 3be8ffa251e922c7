"""The best model whose weights are on this machine, for those who name none."""

from omlzoo.checkpoints import manifest
from omlzoo.errors import notice
from omlzoo.zoo.presence import place_of

__all__ = ["PHOTOS", "best_here"]

PHOTOS = "efficientnet_lite0_in1k"  # what omlzoo[photos] installs
DRAWINGS = "resnet_small_omniglot"  # what omlzoo itself brings


def best_here() -> str:
    """The name of a checkpoint for photos whose weights need no download, and a notice of why it is that one.

    It is the photo package where that is installed; else the smallest checkpoint that was fetched, as the one that
    answers soonest; else the bundled one, which is for drawn characters.
    """
    if place_of(manifest.find(PHOTOS)):
        notice(f"{PHOTOS} is used; another model is named with --model")
        return PHOTOS
    others = [entry for entry in map(manifest.find, manifest.names()) if entry.name != DRAWINGS and place_of(entry)]
    if others:
        name = min(others, key=lambda entry: (entry.params, entry.name)).name
        notice(f"{name} is used, the smallest that was fetched; another model is named with --model")
        return name
    notice(
        f"{DRAWINGS} is used, which is for drawn characters and finds little among photos; "
        "run: pip install 'omlzoo[photos]'"
    )
    return DRAWINGS

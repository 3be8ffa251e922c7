"""Fingerprints: the embedding of one generated picture, by which a model that computes something else is recognised."""

import numpy as np
import torch
from PIL import Image

from omlzoo.errors import WeightsMismatch
from omlzoo.models._extractor import Extractor

__all__ = ["LENGTH", "TOLERANCE", "check", "fingerprint", "picture"]

LENGTH = 32  # number of values of the embedding that are kept
TOLERANCE = 5e-4  # in units of the L2 norm; builds and processors differ by about 1e-6, known mistakes by 1e-3


def picture() -> Image.Image:
    """A picture of 320 x 256 pixels, with waves, a disc and a chessboard.

    It is computed from integers only, so it is the same on every machine.
    """
    rows, columns = np.mgrid[0:256, 0:320]
    waves = np.stack([(rows * 3 + columns) % 256, (rows + columns * 2) % 251, (rows * columns // 64) % 256], axis=2)
    disc = (rows - 128) ** 2 + (columns - 200) ** 2 < 70**2
    chess = (rows // 16 + columns // 16) % 2 == 0
    waves[disc] = 255 - waves[disc]
    waves[:, :96][chess[:, :96]] = (waves[:, :96][chess[:, :96]] + 97) % 256
    return Image.fromarray(waves.astype(np.uint8))


def fingerprint(model: Extractor) -> tuple[float, ...]:
    """The first LENGTH values of the embedding of :func:`picture`, divided by its L2 norm and rounded to 6 digits.

    The model is converted to float32 and put into eval mode.

    Raises:
        WeightsMismatch: The embedding is zero or holds NaN or infinity.
    """
    images = model.transforms()(picture())[None].to(next(model.parameters()).device)
    with torch.inference_mode(), torch.autocast(images.device.type, enabled=False):
        embedding = model.float().eval()(images)[0].double().cpu()
    if not 0 < embedding.norm() < float("inf"):
        raise WeightsMismatch("the model's embedding is zero or not finite; these weights are of no use")
    return tuple(round(value, 6) for value in (embedding / embedding.norm())[:LENGTH].tolist())


def check(model: Extractor, expected: tuple[float, ...], name: str) -> float:
    """Compare the fingerprint of a model with that of its entry.

    Args:
        model: The model to check.
        expected: The fingerprint of the entry.
        name: Name of the checkpoint, for the error message.

    Returns:
        The largest absolute difference between two values.

    Raises:
        WeightsMismatch: The difference is above TOLERANCE, or the fingerprints have different numbers of values.
    """
    actual = fingerprint(model)
    if len(actual) != len(expected):
        raise WeightsMismatch(f"{name}: its fingerprint has {len(actual)} values, that of the entry {len(expected)}")
    difference = max(abs(a - b) for a, b in zip(actual, expected, strict=True))
    if not difference <= TOLERANCE:
        raise WeightsMismatch(
            f"{name}: its fingerprint is off by {difference:.1e} (at most {TOLERANCE:.0e}); this build of omlzoo, timm "
            "or torch computes something else than the one that wrote the entry: install the versions it names"
        )
    return difference

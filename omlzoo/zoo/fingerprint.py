"""Fingerprints: what a checkpoint makes of one generated picture, by which a wrong build is seen."""

import numpy as np
import torch
from PIL import Image

from omlzoo.errors import WeightsMismatch
from omlzoo.models._extractor import Extractor

__all__ = ["LENGTH", "TOLERANCE", "check", "fingerprint", "picture"]

LENGTH = 32  # values that are kept
TOLERANCE = 5e-4  # of the embedding's length; builds and processors differ by about 1e-6, known mistakes by 1e-3


def picture() -> Image.Image:
    """The same 320 x 256 pixels on every machine: waves, a disc and a chessboard, from integers only."""
    rows, columns = np.mgrid[0:256, 0:320]
    waves = np.stack([(rows * 3 + columns) % 256, (rows + columns * 2) % 251, (rows * columns // 64) % 256], axis=2)
    disc = (rows - 128) ** 2 + (columns - 200) ** 2 < 70**2
    chess = (rows // 16 + columns // 16) % 2 == 0
    waves[disc] = 255 - waves[disc]
    waves[:, :96][chess[:, :96]] = (waves[:, :96][chess[:, :96]] + 97) % 256
    return Image.fromarray(waves.astype(np.uint8))


def fingerprint(model: Extractor) -> tuple[float, ...]:
    """The first LENGTH values of the embedding of :func:`picture`, divided by its length; in float32, to 6 digits."""
    images = model.transforms()(picture())[None].to(next(model.parameters()).device)
    with torch.inference_mode(), torch.autocast(images.device.type, enabled=False):
        embedding = model.float().eval()(images)[0].double().cpu()
    return tuple(round(value, 6) for value in (embedding / embedding.norm())[:LENGTH].tolist())


def check(model: Extractor, expected: tuple[float, ...], name: str) -> float:
    """Compare with the fingerprint of the entry; returns the largest difference.

    Raises:
        WeightsMismatch: It is above TOLERANCE.
    """
    found = fingerprint(model)
    if len(found) != len(expected):
        raise WeightsMismatch(f"{name}: its fingerprint has {len(found)} values, that of the entry {len(expected)}")
    difference = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    if not difference <= TOLERANCE:
        raise WeightsMismatch(
            f"{name}: its fingerprint is off by {difference:.1e} (at most {TOLERANCE:.0e}); this build of omlzoo, timm "
            "or torch computes something else than the one that wrote the entry: install the versions it names"
        )
    return difference

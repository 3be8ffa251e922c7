"""Transparency lies on white in every mode, the same from bytes and as a PIL image."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from omlzoo.data.images import to_rgb

GREY = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
HALF = np.where(np.arange(8) < 4, 0, 255).astype(np.uint8)[:, None].repeat(8, 1)  # clear above
WANTED = np.where(HALF[..., None] == 0, 255, GREY[..., None].repeat(3, 2))


def cases() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    picture, alpha = Image.fromarray(GREY), Image.fromarray(HALF)
    palette = picture.convert("P")
    entries = bytes(0 if level < 128 else 255 for level in range(256))  # the upper half is darker than 128
    whole = {"LA": Image.merge("LA", (picture, alpha)), "RGBA": Image.merge("RGBA", (picture,) * 3 + (alpha,))}
    return {name: (image, {}) for name, image in whole.items()} | {"P": (palette, {"transparency": entries})}


@pytest.mark.parametrize("name", cases())
def test_clear_parts_are_white(name: str) -> None:
    image, settings = cases()[name]
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **settings)
    for source in (buffer.getvalue(), Image.open(io.BytesIO(buffer.getvalue()))):
        assert np.array_equal(np.asarray(to_rgb(source)), WANTED)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_levels_that_are_multiplied_already(mode: str) -> None:
    whole, _ = cases()["LA" if mode == "La" else "RGBA"]
    assert np.array_equal(np.asarray(to_rgb(whole.convert(mode))), WANTED)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_one_clear_level(mode: str) -> None:
    image = Image.fromarray(HALF).convert(mode)
    buffer = io.BytesIO()
    first = image.getpixel((0, 0))
    image.save(buffer, "PNG", transparency=first)
    for source in (buffer.getvalue(), Image.open(io.BytesIO(buffer.getvalue()))):
        assert (np.asarray(to_rgb(source)) == 255).all()

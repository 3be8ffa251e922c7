"""ICC profiles of pictures: which differ from sRGB, and conversion to it."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

__all__ = ["has_other_profile", "to_srgb"]

SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # modes of pictures by the colour space of their profile
SAME = 2  # levels; a profile whose colours are converted by no more is sRGB
KEPT = 64  # profiles that stay in memory


def has_other_profile(image: Image.Image) -> bool | None:
    """Whether a picture has a profile that is not sRGB, by its name or its colours; None where it cannot be used."""
    profile = image.info.get("icc_profile")
    if not profile:
        return False
    known = _known(profile)
    if known is None:
        return None
    space, _, same = known
    return not same if SPACES[space] == _colours(image) else None


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture of mode L, RGB or CMYK with a profile that :func:`has_other_profile` knows, as RGB of sRGB.

    Args:
        image: The picture.
        profile: The bytes of its profile.
    """
    known = _known(profile)
    if known is None:
        return image
    converted = ImageCms.applyTransform(image, known[1])
    return image if converted is None else converted


def _colours(image: Image.Image) -> str:
    if image.mode == "CMYK":
        return "CMYK"
    return "L" if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I") else "RGB"


@lru_cache(KEPT)
def _known(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform, bool] | None:
    """The colour space of a profile, its conversion to sRGB, and whether it is sRGB; None where it is damaged."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = str(opened.profile.xcolor_space).strip()
        mode = SPACES[space]
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.buildTransform(opened, srgb, mode, "RGB")
        named = "srgb" in (opened.profile.profile_description or "").lower()
    except (ImageCms.PyCMSError, KeyError, OSError, ValueError, TypeError):
        return None
    if mode == "CMYK":
        return space, transform, False
    steps = np.arange(0, 256, 15 if mode == "RGB" else 1, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3) if mode == "RGB" else steps[None]
    found = ImageCms.applyTransform(Image.fromarray(grid), transform)
    away = np.abs(np.asarray(found).astype(int) - (grid if mode == "RGB" else grid[..., None]))
    return space, transform, named or int(away.max()) <= SAME

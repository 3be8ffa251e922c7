"""A decoded picture of any mode as upright 8-bit RGB: depth, transparency, colour profile and orientation."""

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from omlzoo.data.colour import has_other_profile, to_srgb
from omlzoo.data.levels import declared_bits, is_deep, is_shallow, is_signed, to_eight_bits
from omlzoo.data.preprocess import Profiles
from omlzoo.data.remarks import Remarks
from omlzoo.errors import BadImage

__all__ = ["UprightPicture", "orientation", "remark_profile"]

# What turns a picture of an EXIF orientation upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


@dataclass
class UprightPicture:
    """A picture on its way to upright RGB; what only the header says is read before it is decoded.

    Attributes:
        image: The picture, which may not be decoded yet.
        name: What to call it.
        icc: What is done with a colour profile that is not sRGB: "ignore" or "srgb", which converts it.
        remarks: Counts what was seen.
        bits: The depth of deep grey.
        deep: Whether it has colours of 16 bits.
        clear: The level or levels that are transparent, as those of the decoded picture; None where the picture is
            right about them.
    """

    image: Image.Image
    name: str
    icc: Profiles
    remarks: Remarks
    bits: int = field(init=False)
    deep: bool = field(init=False)
    clear: Any = field(init=False)

    def __post_init__(self) -> None:
        image = self.image
        signed = image.mode == "L" and is_signed(image)
        self.bits = declared_bits(image) if signed or image.mode.startswith("I") else 0
        self.deep, self.clear = is_deep(image), _scaled_clear(image)
        image.load()  # which turns a TIFF, and takes its note away

    def converted(self) -> Image.Image:
        """The whole picture, upright, of mode RGB."""
        turn = TURNS.get(orientation(self.image, self.name, self.remarks))
        converted = self._flat()
        return converted if turn is None else converted.transpose(turn)

    def _flat(self) -> Image.Image:
        """The decoded picture as RGB, not turned."""
        image = self.image
        other = remark_profile(image, self.name, self.remarks) and self.icc == "srgb"
        if self.deep and is_shallow(image):
            self.remarks.add("shallow", self.name)
        if self.clear is not None:
            image = image.copy()
            image.info["transparency"] = self.clear
        if image.mode == "RGB" and "transparency" not in image.info and not other:
            return image
        if image.mode == "F":
            raise BadImage(f"{self.name}: floating point levels have no known range; save it with 8 or 16 bits")
        profile = image.info["icc_profile"] if other else None
        if self.bits:
            image, shallow = to_eight_bits(image, self.bits, self.name)
            if shallow:
                self.remarks.add("shallow", self.name)
        return _on_white(image, profile)


def _scaled_clear(image: Image.Image) -> Any:
    """The transparent level of a PNG whose levels PIL scales when it decodes them, scaled too; None for any other."""
    clear, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    if clear is None or image.format != "PNG" or not tiles:
        return None
    raw = str(tiles[0][3])
    if raw in ("L;2", "L;4"):
        return clear * (85 if raw == "L;2" else 17)
    return tuple(level >> 8 for level in clear) if raw == "RGB;16B" else None


def _on_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture of 8 bits as RGB, its transparent parts on white; converted to sRGB where a profile is given."""
    grey = image.mode in ("1", "L", "LA", "La")
    layer = None
    if image.has_transparency_data:
        layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if profile is not None:
        if layer is None:
            return to_srgb(image if image.mode == "CMYK" else image.convert("L" if grey else "RGB"), profile)
        colours = to_srgb(layer.getchannel("R") if grey else layer.convert("RGB"), profile)
        colours.putalpha(layer.getchannel("A"))
        layer = colours
    if layer is None:
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer).convert("RGB")


def remark_profile(image: Image.Image, name: str, remarks: Remarks) -> bool:
    """Count a profile that is not sRGB; whether there is one that can be used.

    Args:
        image: An open picture.
        name: What to call it.
        remarks: Counts it.
    """
    if "icc_profile" not in image.info:
        return False
    other = has_other_profile(image)
    if other is not False:
        remarks.add("profile" if other else "lost profile", name)
    return bool(other)


def orientation(image: Image.Image, name: str, remarks: Remarks) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the notes are damaged, which costs the notes alone.

    Args:
        image: An open picture.
        name: What to call it.
        remarks: Counts it.
    """
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # readers of notes raise anything
        remarks.add("notes", name)
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1

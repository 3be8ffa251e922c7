"""Deep grey is scaled by the depth that its file declares; expected levels are computed from the bytes written here."""

import io
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from omlzoo.data.images import to_rgb
from omlzoo.data.remarks import Remarks
from omlzoo.errors import BadImage

SIZE = 8, 16  # rows and columns


def tiff(content: bytes, bits: int, *, photometric: int | None = 1, form: int = 1, order: str = "<") -> bytes:
    tags = [(256, 4, SIZE[1]), (257, 4, SIZE[0]), (258, 3, bits), (259, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, SIZE[0]), (279, 4, len(content)), (339, 3, form)]  # fmt: skip
    if photometric is not None:
        tags.append((262, 3, photometric))
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(f"{order}{'I' if kind == 4 else 'Hxx'}", value)
        for tag, kind, value in sorted(tags)
    )
    start = b"II*\0" if order == "<" else b"MM\0*"
    head = start + struct.pack(f"{order}I", 8 + len(content)) + content
    return head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def png(levels: np.ndarray, kind: int, depth: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of rows of bytes that are packed already."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", SIZE[1], SIZE[0], depth, kind, 0, 0, 0)
    middle = b"".join(chunk(*one) for one in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + middle
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def grey(source: object) -> np.ndarray:
    found = np.asarray(to_rgb(source))  # type: ignore[arg-type]
    assert (found[..., :1] == found).all()
    return found[..., 0]


def everywhere(content: bytes) -> np.ndarray:
    """The levels from bytes, which a PIL image must have too."""
    found = grey(content)
    assert np.array_equal(found, grey(Image.open(io.BytesIO(content))))
    return found


def scaled(levels: np.ndarray, top: int) -> np.ndarray:
    """The nearest of 0 to 255, halves upwards, by fractions."""
    exact = [int(Fraction(int(level) * 255, top) + Fraction(1, 2)) for level in levels.ravel()]
    return np.array(exact).reshape(levels.shape)


def ramp(top: int) -> np.ndarray:
    return np.linspace(0, top, SIZE[0] * SIZE[1]).astype(np.int64).reshape(SIZE)


def test_a_tiff_of_twelve_bits() -> None:
    levels = ramp(4095)
    pairs = levels.reshape(-1, 2)
    packed = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in pairs.tolist())
    assert np.array_equal(everywhere(tiff(packed, 12)), scaled(levels, 4095))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_sixteen_bits_in_both_orders(order: str) -> None:
    levels = ramp(65535)
    content = levels.astype(f"{order}u2").tobytes()
    assert np.array_equal(everywhere(tiff(content, 16, order=order)), scaled(levels, 65535))


def test_white_is_zero_at_sixteen_and_at_eight_bits() -> None:
    levels = ramp(65535)
    assert np.array_equal(
        everywhere(tiff(levels.astype("<u2").tobytes(), 16, photometric=0)), 255 - scaled(levels, 65535)
    )
    eight = ramp(255)
    assert np.array_equal(everywhere(tiff(eight.astype("u1").tobytes(), 8, photometric=0)), 255 - eight)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("photometric", [0, 1])
def test_few_bits(bits: int, photometric: int) -> None:
    levels = np.random.default_rng(bits).integers(0, 1 << bits, SIZE)
    flat = np.unpackbits(levels.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :].reshape(SIZE[0], -1)
    packed = np.packbits(flat, axis=1)
    wanted = scaled(levels, (1 << bits) - 1)
    assert np.array_equal(
        everywhere(tiff(packed.tobytes(), bits, photometric=photometric)), wanted if photometric else 255 - wanted
    )
    if photometric:
        assert np.array_equal(everywhere(png(packed, 0, bits)), wanted)
        assert np.array_equal(
            everywhere(png(packed, 0, bits, (b"tRNS", struct.pack(">H", 1)))), np.where(levels == 1, 255, wanted)
        )


def test_a_signed_tiff_is_scaled_by_its_half_and_refused_below_zero() -> None:
    levels = ramp(32767)
    assert np.array_equal(everywhere(tiff(levels.astype("<i2").tobytes(), 16, form=2)), scaled(levels, 32767))
    with pytest.raises(BadImage, match="integer levels from -5"):
        to_rgb(tiff((levels - 5).astype("<i2").tobytes(), 16, form=2))
    with pytest.raises(BadImage, match="integer levels from -"):
        to_rgb(tiff((ramp(255) - 128).astype("i1").tobytes(), 8, form=2))


@pytest.mark.parametrize("bits", [10, 14])
def test_a_tiff_of_bits_that_pillow_does_not_read_is_refused_by_name(bits: int) -> None:
    with pytest.raises(BadImage, match="bits and colours that are not read here"):
        to_rgb(tiff(bytes(SIZE[0] * SIZE[1] * 2), bits))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_the_bits_that_a_png_declares(bits: int) -> None:
    top = (1 << bits) - 1
    levels = ramp(top)
    said = b"sBIT", bytes([bits])
    assert np.array_equal(everywhere(png(levels.astype(">u2"), 0, 16, said)), scaled(levels, top))
    wide = scaled(levels, top) * 0 + (levels * 65535 + top // 2) // top  # as the standard has it
    assert np.array_equal(everywhere(png(wide.astype(">u2"), 0, 16, said)), scaled(wide, 65535))


def test_transparent_levels_of_sixteen_bits_are_white() -> None:
    levels = ramp(65535)
    content = png(levels.astype(">u2"), 0, 16, (b"tRNS", struct.pack(">H", int(levels[2, 3]))))
    assert np.array_equal(everywhere(content), np.where(levels == levels[2, 3], 255, scaled(levels, 65535)))
    colours = np.stack([levels, levels[::-1], levels * 0 + 300], axis=-1)
    clear = colours[2, 3].tolist()
    found = np.asarray(to_rgb(png(colours.astype(">u2"), 2, 16, (b"tRNS", struct.pack(">HHH", *clear)))))
    assert (found[2, 3] == 255).all()
    assert (found[0, 0] == colours[0, 0] >> 8).all()


@pytest.mark.parametrize(
    ("top", "said"), [(255, True), (1023, True), (4095, True), (4096, False), (65535, False), (0, False)]
)
def test_what_lies_in_the_lowest_levels_is_counted(top: int, said: bool) -> None:
    remarks = Remarks()
    to_rgb(png(ramp(top).astype(">u2"), 0, 16), remarks=remarks)
    assert remarks.counts == ({"shallow": 1} if said else {})


def test_so_are_colours() -> None:
    for top, wanted in ((4095, {"shallow": 1}), (65535, {})):
        remarks = Remarks()
        to_rgb(png(np.stack([ramp(top)] * 3, axis=-1).astype(">u2"), 2, 16), remarks=remarks)
        assert remarks.counts == wanted

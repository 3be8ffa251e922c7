"""Colour profiles: sRGB is told from others, and Display-P3 is converted as its published numbers say."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from omlzoo.data.colour import has_other_profile
from omlzoo.data.images import read_size, to_rgb
from omlzoo.data.remarks import Remarks

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Primaries of Display-P3 to XYZ of D50, columns of red, green and blue, as its profile holds them; and of sRGB.
P3 = np.array([[0.515102, 0.291965, 0.157153], [0.241182, 0.692236, 0.066582], [-0.001050, 0.041882, 0.784378]])
OURS = np.array([[0.436075, 0.385065, 0.143080], [0.222504, 0.716879, 0.060617], [0.013932, 0.097105, 0.714173]])
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def profile(matrix: np.ndarray, space: bytes = b"RGB ") -> bytes:
    """A profile of version 2 with these primaries, or grey, and a gamma of 2.2."""

    def fixed(values: np.ndarray) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(2.2 * 256))
    tags = {b"wtpt": fixed(np.array([0.9642, 1.0, 0.8249]))}
    if space == b"RGB ":
        tags |= {name: fixed(matrix[:, k]) for k, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    place, table, content = 132 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", place + len(content), len(value))
        content += value
    size = place + len(content)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


def file_of(image: Image.Image, icc: bytes, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, icc_profile=icc)
    return buffer.getvalue()


def converted(levels: np.ndarray) -> np.ndarray:
    """P3 with a gamma of 2.2 as sRGB, by its matrix and its curve."""
    linear = (levels / 255) ** 2.2 @ P3.T @ np.linalg.inv(OURS).T
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


def test_another_profile_is_left_counted_and_converted_on_request() -> None:
    content = file_of(Image.fromarray(COLOURS), profile(P3))
    remarks = Remarks()
    assert np.array_equal(np.asarray(to_rgb(content, remarks=remarks)), COLOURS)
    assert remarks.counts == {"profile": 1}
    found = np.asarray(to_rgb(content, icc="srgb")).astype(float)
    assert np.abs(found - converted(COLOURS)).max() <= 2
    assert np.abs(found - COLOURS).mean() > 3
    given = Image.open(io.BytesIO(content))
    assert np.array_equal(np.asarray(to_rgb(given, icc="srgb")), found)


@pytest.mark.parametrize("icc", [SRGB, b""])
def test_srgb_is_no_other_profile_and_changes_nothing(icc: bytes) -> None:
    content = file_of(Image.fromarray(COLOURS), icc)
    remarks = Remarks()
    assert np.array_equal(np.asarray(to_rgb(content, icc="srgb", remarks=remarks)), COLOURS)
    assert remarks.counts == {}


def test_transparent_parts_stay_on_white() -> None:
    layer = np.dstack([COLOURS, np.full((16, 16), 255, np.uint8)])
    layer[:4, :, 3] = 0
    found = np.asarray(to_rgb(file_of(Image.fromarray(layer), profile(P3)), icc="srgb"))
    assert (found[:4] == 255).all()
    assert np.abs(found[4:] - converted(COLOURS[4:])).max() <= 2


def test_grey_of_another_curve() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    content = file_of(Image.fromarray(levels), profile(P3, b"GRAY"))
    linear = (levels / 255) ** 2.2
    wanted = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    found = np.asarray(to_rgb(content, icc="srgb"))[..., 0]
    assert np.abs(found - wanted).max() <= 2
    assert (found != levels).any()


@pytest.mark.parametrize("icc", [b"no profile", profile(P3, b"GRAY")])
def test_a_profile_that_cannot_be_used_costs_the_profile_alone(icc: bytes) -> None:
    content = file_of(Image.fromarray(COLOURS), icc)
    remarks = Remarks()
    assert np.array_equal(np.asarray(to_rgb(content, icc="srgb", remarks=remarks)), COLOURS)
    assert remarks.counts == {"lost profile": 1}
    assert has_other_profile(Image.open(io.BytesIO(content))) is None


def test_check_counts_them_from_the_header(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(file_of(Image.fromarray(COLOURS), profile(P3), "JPEG"))
    remarks = Remarks()
    assert read_size(tmp_path / "x.jpg", remarks) == (16, 16)
    assert remarks.counts == {"profile": 1}

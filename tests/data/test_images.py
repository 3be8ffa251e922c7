"""Every unusual picture gives the right pixels or one clear error."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from omlzoo.data import images
from omlzoo.data.remarks import Remarks
from omlzoo.errors import BadImage

GRADIENT = np.linspace(0, 255, 20 * 10).reshape(10, 20).astype(np.uint8)


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "RGBA", "LA"])
def test_every_mode_becomes_what_pil_shows(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(GRADIENT).convert("RGB").convert(mode)
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    image.save(path)
    assert np.array_equal(pixels(images.to_rgb(path)), np.asarray(Image.open(path).convert("RGB")))


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path: Path) -> None:
    deep = (GRADIENT.astype(np.uint16)) * 257
    Image.fromarray(deep).save(tmp_path / "x.png")
    assert np.array_equal(pixels(images.to_rgb(tmp_path / "x.png"))[..., 0], GRADIENT)


def test_transparent_parts_lie_on_white() -> None:
    layer = np.zeros((4, 4, 4), dtype=np.uint8)
    layer[:2, :, 3] = 255
    found = pixels(images.to_rgb(Image.fromarray(layer)))
    assert (found[:2] == 0).all()
    assert (found[2:] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((8, 16, 3), dtype=np.uint8)
    upright[:4, :4] = 255  # a white corner, top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    # What a camera stores: the picture turned so that the orientation turns it back.
    turn = Image.Transpose
    back = {
        1: None, 2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE, 6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = Image.fromarray(upright) if back is None else Image.fromarray(upright).transpose(back)
    stored.save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(pixels(images.to_rgb(tmp_path / "x.png")), upright)
    assert images.read_size(tmp_path / "x.png") == (16, 8)


def test_a_box_is_cut_out(tmp_path: Path) -> None:
    found = pixels(images.to_rgb(Image.fromarray(GRADIENT), (3, 2, 7, 9)))
    assert np.array_equal(found[..., 0], GRADIENT[2:9, 3:7])


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, 0, 21, 5), (5, 0, 5, 5), (0, 6, 5, 5), (0, 0, 5, 11)])
def test_a_box_outside_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadImage, match=r"the box .* breaks 0 <= x_1 < x_2 <= 20 and 0 <= y_1 < y_2 <= 10"):
        images.to_rgb(Image.fromarray(GRADIENT), box)


def test_broken_files_are_named_with_the_reason(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("<html>not a picture</html>")
    for name, reason in [
        ("truncated", "truncated"),
        ("empty", "not a picture"),
        ("text", "not a picture"),
        ("gone", "no such file"),
    ]:
        with pytest.raises(BadImage, match=rf"{name}\.jpg: .*{reason}"):
            images.to_rgb(tmp_path / f"{name}.jpg")


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (2000, 1000)).save(tmp_path / "x.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 1_000_000)
    with pytest.raises(BadImage, match="2000 x 1000 pixels are more than the 1,000,000"):
        images.to_rgb(tmp_path / "x.png")


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")  # 400 million pixels in a few kilobytes
    with pytest.raises(BadImage, match=r"bomb\.png"):
        images.to_rgb(tmp_path / "bomb.png")


def test_floating_point_levels_are_refused() -> None:
    with pytest.raises(BadImage, match="no known range"):
        images.to_rgb(Image.fromarray(np.ones((4, 4), dtype=np.float32)))


def test_a_decoder_that_fails_in_its_own_way_is_a_bad_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("bad operand type for abs(): 'str'")  # what damaged EXIF data was seen to do

    monkeypatch.setattr("omlzoo.data.conversion._on_white", broken)
    with pytest.raises(BadImage, match="bad operand type"):
        images.to_rgb(Image.new("L", (2, 2)))


@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (500, 400), (900, 2000)])
@pytest.mark.parametrize("turned", [1, 6])
def test_scaled_decoding_keeps_twice_what_is_needed(size: tuple[int, int], turned: int, tmp_path: Path) -> None:
    coarse = Image.effect_noise((40, 30), 90).resize(size).convert("RGB")
    exif = coarse.getexif()
    exif[0x0112] = turned
    coarse.save(tmp_path / "a.jpg", exif=exif)
    whole, scaled = images.to_rgb(tmp_path / "a.jpg"), images.to_rgb(tmp_path / "a.jpg", least=(224, 224))
    assert min(scaled.size) >= min(448, *whole.size)
    assert scaled.width / scaled.height == pytest.approx(whole.width / whole.height, rel=0.01)
    assert (scaled.size == whole.size) == (min(size) < 2 * 448)  # a half of it would not be twice as much
    assert images.to_rgb(tmp_path / "a.jpg", (0, 0, 50, 50), least=(8, 8)).size == (50, 50)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_upright_from_path_bytes_and_object(
    orientation: int, form: str, mode: str, tmp_path: Path
) -> None:
    """Each orientation against numpy: rows from the top and columns from the left of the upright picture."""
    stored = np.zeros((8, 16), dtype=np.uint8)
    stored[:, 8:] = 255  # dark on the left, light on the right
    stored[:4, :] //= 2  # and less light above
    turns = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose,
             6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).T, 8: np.rot90}  # fmt: skip
    wanted = turns[orientation](stored)
    notes = Image.Exif()
    notes[0x0112] = orientation
    path = tmp_path / f"x.{form.lower()}"
    settings = {"quality": 100} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    Image.fromarray(stored).convert(mode).save(path, form, exif=notes, **settings)
    assert images.read_size(path) == (wanted.shape[1], wanted.shape[0])
    for source in (path, path.read_bytes(), Image.open(io.BytesIO(path.read_bytes()))):
        found = np.asarray(images.to_rgb(source))[:, :, 0]
        assert found.shape == wanted.shape
        assert np.abs(found.astype(int) - wanted).max() <= 4


def test_damaged_notes_cost_the_notes_and_not_the_picture(tmp_path: Path) -> None:
    notes = Image.Exif()
    notes[0x0112] = 6
    Image.new("RGB", (16, 8), "red").save(tmp_path / "x.jpg", exif=notes)
    content = (tmp_path / "x.jpg").read_bytes()
    at = content.index(b"Exif")
    for damaged in (
        content[: at + 6] + b"XX" + content[at + 8 :],
        content[: at + 10] + b"\xff\xff\xff\x7f" + content[at + 14 :],
    ):
        assert images.to_rgb(damaged).size in ((16, 8), (8, 16))


def test_notes_that_cannot_be_read_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise SyntaxError("not a TIFF file")  # as Pillow raises

    monkeypatch.setattr(Image.Image, "getexif", broken)
    remarks = Remarks()
    assert images.to_rgb(Image.new("RGB", (16, 8)), remarks=remarks).size == (16, 8)
    assert remarks.counts == {"notes": 1}

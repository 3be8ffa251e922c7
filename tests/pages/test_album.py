"""Pictures of a page are read once, stay small, and say what became of them."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from omlzoo.pages import album as room
from omlzoo.pages.album import Album, atlas


def opened(uri: str | None) -> Image.Image:
    """The image of a data URI."""
    assert uri is not None
    assert uri.startswith(("data:image/avif;base64,", "data:image/webp;base64,"))
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_picture_is_shown_at_320_pixels_and_read_once(tmp_path: Path) -> None:
    Image.new("RGB", (640, 320), "red").save(tmp_path / "a.png")
    album = Album()
    first = album.picture(tmp_path / "a.png")
    assert opened(first).size == (320, 160)
    red, green, blue = opened(first).convert("RGB").getpixel((100, 50))
    assert red > 230 > 30 > max(green, blue)
    (tmp_path / "a.png").unlink()
    assert album.picture(tmp_path / "a.png") is first
    assert opened(album.picture(Image.new("RGB", (40, 20)))).size == (40, 20)
    assert album.picture(tmp_path / "gone.png") is None
    assert album.notes() == []


def test_a_part_of_a_picture_is_another_picture(tmp_path: Path) -> None:
    Image.new("RGB", (64, 32), "red").save(tmp_path / "a.png")
    album = Album()
    assert opened(album.picture(tmp_path / "a.png", (0, 0, 10, 20))).size == (10, 20)
    assert opened(album.picture(tmp_path / "a.png")).size == (64, 32)


def test_what_has_no_room_is_kept_small_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LARGE", 2)
    album = Album()
    sizes = [opened(album.picture(Image.new("RGB", (400, 400), (number, 0, 0)))).size for number in range(3)]
    assert sizes == [(320, 320), (320, 320), (96, 96)]
    assert album.notes() == ["1 of 3 pictures are kept small, so that the page stays small."]
    monkeypatch.setattr(room, "ROOM", 10)
    assert opened(Album().picture(Image.new("RGB", (400, 400)))).size == (96, 96)


def test_300_pictures_of_noise_fit_the_page() -> None:
    random = np.random.default_rng(0)
    album = Album()
    size = 0
    for _ in range(40):
        size += len(album.picture(Image.fromarray(random.integers(0, 255, (320, 320, 3), np.uint8))) or "")
    assert size <= room.ROOM + 40 * 12_000


def test_only_pictures_beside_the_page_have_an_address(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos/a b.png")
    assert Album(tmp_path / "page.html").card(tmp_path / "photos/a b.png", None, "a").link == "photos/a%20b.png"
    assert Album(tmp_path / "pages/page.html").card(tmp_path / "photos/a b.png", None, "a").link == ""
    assert Album(tmp_path / "page.html").card(Image.new("RGB", (8, 8)), None, "a").link == ""
    assert Album().card(tmp_path / "photos/a b.png", None, "a").link == ""


def test_an_atlas_has_each_picture_in_its_place(tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), "red").save(tmp_path / "a.png")
    Image.new("RGB", (80, 80), "blue").save(tmp_path / "b.png")
    found = atlas([tmp_path / "a.png", None, tmp_path / "gone.png", tmp_path / "b.png"], [None] * 4)
    assert found is not None
    assert list(found.places) == [0, -1, -1, 1]
    sheet = opened(found.image).convert("RGB")
    assert sheet.size == (2 * found.side, found.side)
    assert sheet.getpixel((20, 20))[0] > 200 > 50 > sheet.getpixel((20, 20))[2]
    assert sheet.getpixel((60, 20))[2] > 200 > 50 > sheet.getpixel((60, 20))[0]
    assert atlas([None], [None]) is None

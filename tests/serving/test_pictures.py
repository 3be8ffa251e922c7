"""Which folders are shown, and that no row shows a file outside them or ends the server."""

import io
import os
import shutil
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from omlzoo.errors import BadImage, BadInput, OmlzooWarning
from omlzoo.index.build import build_index
from omlzoo.index.index import Index
from omlzoo.serving import inside
from omlzoo.serving.application import application
from omlzoo.serving.inside import read_inside
from omlzoo.serving.limits import Limits
from omlzoo.serving.pictures import Pictures, check_upload

FREE = Limits(per_second=1e6, burst=10**6)


def placed(index: Index, root: str | Path, paths: list[str] | None = None) -> Index:
    """The index as a stranger may have written it: its pictures at other paths of another folder."""
    embeddings = index.embeddings
    table = embeddings.table if paths is None else embeddings.table.iloc[: len(paths)].assign(path=paths)
    vectors = embeddings.vectors[: len(table)]
    return build_index(
        replace(embeddings, table=table, vectors=vectors, record=replace(embeddings.record, root=str(root)))
    )


def picture(path: Path, colour: str, kind: str = "PNG") -> None:
    Image.new("RGB", (20, 20), colour).save(path, kind)


def colour(content: bytes) -> str:
    red, _, blue = Image.open(io.BytesIO(content)).convert("RGB").getpixel((10, 10))  # type: ignore[misc]
    return "red" if red > blue else "blue"


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose home and temporary folders are in the test's folder."""
    for name in ("home/me/photos", "var/tmp", "data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home" / "me"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "var" / "tmp"))
    (tmp_path / "link").symlink_to("/")
    return tmp_path


@pytest.mark.parametrize(
    "root", ["/", "/home", "home/me", "home", "var/tmp", "var", ".", "link", "/proc/self/root", "//"]
)
def test_a_folder_that_holds_more_than_pictures_is_not_shown_unasked(small: Index, at_home: Path, root: str) -> None:
    picture(at_home / "home" / "me" / "private.png", "red")
    wide = (at_home / root).resolve()
    index = placed(small, at_home / root, [str(at_home / "home" / "me" / "private.png")])
    with pytest.warns(OmlzooWarning, match=f"no pictures are shown: those of the index lie in {wide}, .*give --root"):
        app = application(index, limits=FREE)
    with TestClient(app) as client:
        assert client.get("/items/0/picture").status_code == 404
    with TestClient(application(index, limits=FREE, roots=[at_home / "home" / "me"])) as client:
        assert colour(client.get("/items/0/picture").content) == "red"


@pytest.mark.parametrize("root", ["home/me/photos", "data", "var/tmp/of-a-test"])
def test_a_folder_of_its_own_is_shown(small: Index, at_home: Path, root: str) -> None:
    (at_home / root).mkdir(exist_ok=True)
    picture(at_home / root / "a.png", "blue")
    with TestClient(application(placed(small, at_home / root, ["a.png"]), limits=FREE)) as client:
        assert colour(client.get("/items/0/picture").content) == "blue"


def test_a_folder_that_no_machine_has_shows_nothing(small: Index) -> None:
    with pytest.warns(OmlzooWarning, match="no pictures are shown"):
        assert Pictures(placed(small, "a\0b")).roots == []
    with pytest.raises(BadInput, match="root 'gone' is no folder; give one that holds pictures"):
        Pictures(small, [Path("gone")])


def test_rows_of_every_strange_kind_have_no_picture_and_end_nothing(small: Index, tmp_path: Path) -> None:
    picture(tmp_path / "good.png", "blue")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for kind in ("TGA", "ICO", "SGI", "PCX", "DDS", "ICNS"):
        picture(tmp_path / f"{kind}.png", "red", kind)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "locked.png").mkdir()
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10**13)
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    paths = ["good.png", "circle.png", "empty.png", "eps.png", "TGA.png", "ICO.png", "SGI.png", "PCX.png", "DDS.png", "ICNS.png",
             "pipe.png", "locked.png", "huge.png", "zero.png", "a\0b.png", "x" * 5000 + ".png", "good.png/a.png", "", ".", "..", "/"]  # fmt: skip
    with TestClient(application(placed(small, tmp_path, paths), limits=FREE)) as client:
        found = {path: client.get(f"/items/{row}/picture").status_code for row, path in enumerate(paths)}
    assert found == dict.fromkeys(paths, 404) | {"good.png": 200}


def test_a_link_that_is_put_in_place_between_look_and_reading_leads_nowhere(tmp_path: Path) -> None:
    root, outside = tmp_path.resolve() / "photos", tmp_path.resolve() / "private"
    for folder in (root / "sub", outside / "sub"):
        folder.mkdir(parents=True)
    picture(root / "sub" / "a.png", "blue")
    picture(outside / "a.png", "red")
    assert colour(read_inside(root / "sub" / "a.png", root)) == "blue"
    assert read_inside(root / "sub" / "a.png", root / "sub") == (root / "sub" / "a.png").read_bytes()
    shutil.rmtree(root / "sub")
    (root / "sub").symlink_to(outside)
    (root / "b.png").symlink_to(outside / "a.png")
    os.mkfifo(root / "pipe.png")
    for file in (root / "sub" / "a.png", root / "b.png", root / "pipe.png", outside / "a.png", root, root / "gone.png"):
        with pytest.raises(BadInput):
            read_inside(file, root)


def test_reading_keeps_no_file_open_and_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path.resolve()
    (root / "folder.png").mkdir()
    (root / "a.png").write_bytes(bytes(11))
    monkeypatch.setattr(inside, "MOST", 10)
    before = len(os.listdir("/proc/self/fd"))
    for name in ("folder.png", "a.png", "gone.png", "folder.png/a.png"):
        with pytest.raises(BadInput):
            read_inside(root / name, root)
    assert len(os.listdir("/proc/self/fd")) == before
    (root / "a.png").write_bytes(bytes(10))
    assert read_inside(root / "a.png", root) == bytes(10)


def test_what_is_shown_is_the_picture_made_small(small: Index, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.jpg")
    pictures = Pictures(placed(small, tmp_path, ["a.jpg"]))
    with Image.open(io.BytesIO(pictures.small(0))) as shown:
        assert (shown.format, max(shown.size)) == ("JPEG", 320)
    assert pictures.small(0) is pictures.small(0)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(BadImage):
        Pictures(placed(small, tmp_path, ["a.jpg"])).small(0)


@pytest.mark.parametrize(
    ("size", "refused"), [((1001, 1), True), ((1, 1001), True), ((1000, 1), False), ((1, 1000), False)]
)
def test_an_upload_that_is_long_and_narrow_is_refused(size: tuple[int, int], refused: bool) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    if refused:
        with pytest.raises(BadImage, match="one side may be at most 1000 times the other"):
            check_upload(buffer.getvalue(), Limits())
    else:
        check_upload(buffer.getvalue(), Limits())


@pytest.mark.parametrize(
    ("mode", "kind", "size"),
    [("1", "PNG", 1), ("L", "PNG", 1), ("P", "GIF", 1), ("I;16", "PNG", 2), ("RGB", "JPEG", 4), ("RGBA", "PNG", 4),
     ("CMYK", "JPEG", 4), ("F", "TIFF", 4)],
)  # fmt: skip
def test_an_upload_whose_pixels_take_too_many_bytes_is_refused(mode: str, kind: str, size: int) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (200, 100)).save(buffer, kind)
    check_upload(buffer.getvalue(), Limits(decoded_megabytes=size * 0.02))
    with pytest.raises(BadImage, match=f"200 x 100 pixels take {size} bytes each, 0.0{2 * size} million; at most 0.0"):
        check_upload(buffer.getvalue(), Limits(decoded_megabytes=size * 0.02 - 0.005))


def test_an_upload_of_sixteen_bits_and_one_of_many_frames_are_counted_rightly() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50, 50, 16, 6, 0, 0, 0)  # RGBA of 16 bits
    data = zlib.compress((b"\0" + b"\1" * 400) * 50)
    deep = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    check_upload(deep, Limits(decoded_megabytes=0.02))
    with pytest.raises(BadImage, match="take 8 bytes each"):
        check_upload(deep, Limits(decoded_megabytes=0.019))
    buffer = io.BytesIO()
    frames = [Image.new("L", (100, 100), level) for level in range(9)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    check_upload(buffer.getvalue(), Limits(decoded_megabytes=0.01))

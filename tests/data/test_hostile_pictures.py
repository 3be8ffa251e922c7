"""Whatever a file says it is, decoding it ends soon, starts no program and gives a picture or a BadImage."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from omlzoo.data import images
from omlzoo.errors import BadImage

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 17, 3), dtype=np.uint8))
SAVED = {"JPEG": {}, "PNG": {}, "WEBP": {}, "GIF": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "PPM": {}, "AVIF": {},
         "JPEG2000": {}}  # fmt: skip
OTHERS = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF",
    "PSD": b"8BPS\0\x01" + bytes(6) + b"\0\x03\0\0\0\x02\0\0\0\x02\0\x08\0\x03" + bytes(64),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "ICNS": b"icns" + (40).to_bytes(4, "big") + b"ic07" + (32).to_bytes(4, "big") + bytes(24),
    "FLI": (200).to_bytes(4, "little") + b"\x11\xaf\x01\0\x08\0\x08\0\x08\0" + bytes(200),
}


def encoded(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, form, **(SAVED.get(form, {}) | options))
    return buffer.getvalue()


def test_there_is_a_seed_of_every_format() -> None:
    assert set(SAVED) == set(images.FORMATS)
    for form in SAVED:
        assert images.to_rgb(encoded(form)).size == NOISE.size, form


@pytest.mark.parametrize("form", [*OTHERS, "DDS", "TGA", "PCX", "SGI", "ICO", "PDF"])
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_other_formats_are_refused_and_start_no_program(
    form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "started"
    for program in ("gs", "gswin64c", "convert", "rsvg-convert", "inkscape", "djpeg"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho $0 >> {mark}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    content = OTHERS.get(form) or encoded(form)
    (tmp_path / name).write_bytes(content)
    for source in (tmp_path / name, content):
        with pytest.raises(BadImage, match="not a picture of a known format"):
            images.to_rgb(source)
    with pytest.raises(BadImage, match="not a picture of a known format"):
        images.read_size(tmp_path / name)
    try:
        given = Image.open(tmp_path / name)
    except (OSError, SyntaxError, ValueError):
        given = None  # PIL has no decoder for it
    if given is not None and given.tile:
        with pytest.raises(BadImage, match="is not decoded here"):
            images.to_rgb(given)
    assert given is not None or form != "EPS"
    assert not mark.exists()


def test_a_pil_image_that_was_decoded_is_taken_whatever_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "x.tga").write_bytes(encoded("TGA"))
    given = Image.open(tmp_path / "x.tga")
    given.load()
    assert np.array_equal(np.asarray(images.to_rgb(given)), np.asarray(NOISE))
    (tmp_path / "x.mpo").write_bytes(encoded("MPO"))
    assert images.to_rgb(Image.open(tmp_path / "x.mpo")).size == images.to_rgb(tmp_path / "x.mpo").size == NOISE.size


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    os.symlink("/dev/zero", tmp_path / "endless.png")
    os.symlink("loop.png", tmp_path / "loop.png")
    start = time.monotonic()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's name has at most 108 bytes
        listening.bind("socket.png")
        for name, said in [("pipe.png", "is a pipe"), ("folder.png", "is a folder"), ("endless.png", "is a device"), ("socket.png", "is a socket"),
                           ("loop.png", "Too many levels"), ("a\0b.png", "null byte"), ("x" * 300 + ".png", "too long")]:  # fmt: skip
            for read in (images.to_rgb, images.read_size):
                with pytest.raises(BadImage, match=said):
                    read(name)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("source", [None, 5, 0.5, [1], np.zeros((4, 4, 3), np.uint8), bytearray(b"x"), object()])
def test_what_is_no_picture_is_refused(source: object) -> None:
    with pytest.raises(BadImage, match=f"the bytes of a file or a PIL image, not {type(source).__name__}"):
        images.to_rgb(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "size"), [("RGB", (0, 0)), ("RGB", (0, 5)), ("L", (5, 0)), ("I;16", (0, 0)), ("RGBA", (0, 3))]
)
def test_a_picture_without_pixels_is_refused(mode: str, size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match=f"it has {size[0]} x {size[1]} pixels"):
        images.to_rgb(Image.new(mode, size))


@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_that_is_painted_again_and_again_is_refused(progressive: bool, tmp_path: Path) -> None:
    plain = encoded("JPEG", progressive=progressive)
    assert images.to_rgb(plain).size == NOISE.size
    last = plain[plain.rindex(images.SCAN) : -2]
    again = plain[:-2] + last * 1000 + plain[-2:]
    if not progressive:  # libjpeg reads one scan of all colours
        start = time.process_time()
        with contextlib.suppress(BadImage):
            images.to_rgb(again)
        assert time.process_time() - start < 0.5
        return
    (tmp_path / "x.jpg").write_bytes(again)
    with pytest.raises(BadImage, match=r"x\.jpg: it has 10\d\d scans; at most 100 are decoded"):
        images.to_rgb(tmp_path / "x.jpg")


def test_frames_and_tags_without_number_cost_little() -> None:
    frames = [Image.new("P", (8, 8), colour % 256) for colour in range(2000)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    tags = bytearray(encoded("TIFF"))
    place = int.from_bytes(tags[4:8], "little")
    tags[place : place + 2] = b"\xff\xff"  # 65,535 tags, of which the file holds few
    start = time.process_time()
    images.to_rgb(buffer.getvalue())
    with pytest.raises(BadImage):
        images.to_rgb(bytes(tags[: place + 2]) + bytes(12 * 65_535))
    assert time.process_time() - start < 2


def mutated(seed: bytes, random: np.random.Generator) -> bytes:
    """The bytes with some changed, cut out, doubled, or set to the largest number."""
    content = bytearray(seed)
    for _ in range(random.integers(1, 6)):
        start = int(random.integers(0, min(len(content), 64) if random.random() < 0.5 else len(content)))
        kind = random.integers(0, 5)
        if kind == 0:
            content[start] = random.integers(0, 256)
        elif kind == 1:
            content[start : start + 4] = b"\xff" * 4
        elif kind == 2:
            del content[start : start + int(random.integers(1, 50))]
        elif kind == 3:
            content[start:start] = content[start : start + int(random.integers(1, 50))]
        else:
            content[start] ^= 1 << int(random.integers(0, 8))
        content = content or bytearray(b"\0")
    return bytes(content)


def fuzz(form: str, count: int) -> None:
    random, seeds = np.random.default_rng(len(form)), [encoded(form)]
    seeds += [encoded("JPEG", progressive=True)] if form == "JPEG" else []
    seeds += (
        [encoded("TIFF", compression=kind) for kind in ("tiff_deflate", "jpeg", "group4")[:2]] if form == "TIFF" else []
    )
    for number in range(count):
        content = mutated(seeds[number % len(seeds)], random)
        start = time.process_time()
        try:
            picture = images.to_rgb(content)
            assert picture.mode == "RGB"
            assert picture.width * picture.height <= images.MAX_PIXELS
        except BadImage:
            pass
        assert time.process_time() - start < 5, (form, number)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("form", images.FORMATS)
def test_damaged_files_give_a_picture_or_a_bad_image(form: str) -> None:
    fuzz(form, 12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("form", images.FORMATS)
def test_many_damaged_files_give_a_picture_or_a_bad_image(form: str) -> None:
    fuzz(form, 2000)


def test_too_little_memory_is_the_error_of_the_picture(tmp_path: Path) -> None:
    Image.new("1", (16_000, 11_000)).save(tmp_path / "big.png")
    code = """
import resource, sys
from omlzoo.data import images
from omlzoo.errors import BadImage
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (60 << 20),) * 2)
try:
    images.to_rgb(sys.argv[1])
except BadImage as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "big.png")], capture_output=True, text=True)
    assert done.stdout == f"{tmp_path / 'big.png'}: there is not enough memory to decode it\n", done.stderr

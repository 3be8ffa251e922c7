"""Files are told to be pictures by their endings, and by their first bytes where they have none."""

import io
from pathlib import Path

import pytest
from PIL import Image

from omlzoo.data.formats import FORMATS, SUFFIXES, UNREAD, is_picture, suffix_of

Image.init()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_without_an_ending_is_known_by_its_content(form: str, tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(content, form)
    path = tmp_path / "picture"
    path.write_bytes(content.getvalue())
    assert is_picture(str(path), "picture")


@pytest.mark.parametrize(
    "content", [b"", b"BM is a name", b"P1X", b"%PDF-1.4", b"RIFF1234WAVE", b"hello, this is text"]
)
def test_other_content_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_picture(str(tmp_path / "file"), "file")


def test_every_ending_is_of_a_decoder_that_is_asked() -> None:
    """Pillow's own table of endings, apart from ours."""
    extensions = Image.registered_extensions()
    assert {extensions[suffix] for suffix in SUFFIXES if suffix in extensions} == set(FORMATS)
    assert not SUFFIXES & UNREAD
    assert not {suffix for suffix in UNREAD if extensions.get(suffix) in FORMATS}
    assert suffix_of("a.JPG ") == ".jpg"

"""The page of views shows what pretrain would draw."""

from pathlib import Path

import pytest

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.training.view_page import preview_views


def test_ten_pictures_with_their_views(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    page = preview_views(model, drawn.parent / "images", tmp_path / "views", globals=2, locals=1, views="drawing")
    text = page.read_text()
    assert page == tmp_path / "views.html"
    assert text.count("data:image/jpeg") == 10 * (1 + 3)
    assert "32 x 32 pixels" in text
    assert "views drawing: 2 of the whole picture, 1 of parts" in text
    with pytest.raises(BadInput, match=r"views\.html"):
        preview_views(model, drawn.parent / "images", tmp_path / "views")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="none of 1 pictures can be read"):
        preview_views(model, [str(tmp_path / "broken.png")], tmp_path / "other")
    assert not (tmp_path / "other.html").exists()

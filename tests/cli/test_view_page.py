"""The page of views shows what pretrain would draw."""

from pathlib import Path

import pytest

from omlzoo.cli.view_page import preview_views
from omlzoo.errors import BadInput


def test_ten_pictures_with_their_views(tmp_path: Path, drawn: Path) -> None:
    page = preview_views(
        "resnet_small_omniglot", drawn.parent / "images", tmp_path / "views", globals=2, locals=1, views="drawing"
    )
    text = page.read_text()
    assert page == tmp_path / "views.html"
    assert text.count('class="open"') == 10 * (1 + 3)
    assert "64 x 64 pixels" in text
    assert "views drawing: 2 of the whole picture, 1 of parts" in text
    with pytest.raises(BadInput, match=r"views\.html"):
        preview_views("resnet_small_omniglot", drawn.parent / "images", tmp_path / "views")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="none of 1 pictures can be read"):
        preview_views("resnet_small_omniglot", tmp_path / "broken", tmp_path / "other")
    assert not (tmp_path / "other.html").exists()

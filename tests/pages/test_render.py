"""Pages hold their pictures and escape what users wrote."""

from pathlib import Path

from PIL import Image

from omlzoo.pages.render import Card, Row, gallery_page, report_page, thumbnail


def test_text_is_escaped_and_missing_pictures_are_said(tmp_path: Path) -> None:
    Image.new("RGB", (400, 100), "red").save(tmp_path / "a.png")
    picture = thumbnail(tmp_path / "a.png")
    assert picture is not None
    assert picture.startswith("data:image/jpeg;base64,")
    assert thumbnail(tmp_path / "gone.png") is None
    row = Row(
        Card(picture, "<script>alert(1)</script>"), [Card(None, "b", "0.5", True), Card(picture, "c", "0.4", False)]
    )
    page = gallery_page("Search & find", ["one fact"], [row])
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "no picture" in page
    assert "Search &amp; find" in page


def test_a_report_has_its_columns_and_definitions() -> None:
    page = report_page("Report", [], [("cmc@1", ["0.5", "0.6"])], ["before", "after"], [("cmc@k", "Share")], [])
    assert "<th>before</th><th>after</th>" in page
    assert "<dt>cmc@k</dt><dd>Share</dd>" in page

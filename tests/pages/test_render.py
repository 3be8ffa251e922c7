"""Pages hold their pictures and escape what users wrote."""

import base64
import hashlib
import html
import re
from datetime import date
from pathlib import Path

import pytest
from PIL import Image
from places import PROJECT

import omlzoo
from omlzoo.pages.render import (
    Card,
    Cell,
    Column,
    Heading,
    Row,
    gallery_page,
    report_page,
    search_page,
    table_page,
    thumbnail,
)


def test_text_is_escaped_and_missing_pictures_are_said(tmp_path: Path) -> None:
    Image.new("RGB", (400, 100), "red").save(tmp_path / "a.png")
    picture = thumbnail(tmp_path / "a.png")
    assert picture is not None
    assert picture.startswith("data:image/jpeg;base64,")
    assert thumbnail(tmp_path / "gone.png") is None
    row = Row(
        Card(picture, "<script>alert(1)</script>"), [Card(None, "b", "0.5", True), Card(picture, "c", "0.4", False)]
    )
    page = gallery_page(Heading("Search & find"), ["one fact"], [row])
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "no picture" in page
    assert "Search &amp; find" in page


def test_labels_are_cut_and_what_cannot_be_shown_is_written_out() -> None:
    strange = "\x00\x1b[31m\u202e\udcff<b>" + "x" * 10_000
    heading = Heading("Hits", strange, strange, strange)
    row = Row(Card(None, strange, strange, True), [])
    figure = "<svg>" + "y" * 5000 + "</svg>"
    for page in (
        gallery_page(heading, [strange], [row], [figure]),
        report_page(heading, [strange], [(strange, [strange])], [strange], [], [(strange, [row])], [figure]),
    ):
        page.encode("utf-8")
        assert not {"\x00", "\x1b", "\u202e", "\udcff", "<b>x"} & {*page, "<b>x" * ("<b>x" in page)}
        assert "\\u0000\\u001b[31m\\u202e\\udcff&lt;b&gt;xxxx" in page
        assert figure in page, "figures are not cut"


def test_a_report_has_its_columns_and_definitions() -> None:
    page = report_page(
        Heading("Report"), [], [("cmc@1", ["0.5", "0.6"])], ["before", "after"], [("cmc@k", "Share")], []
    )
    assert "<th>before</th><th>after</th>" in page
    assert "<dt>cmc@k</dt><dd>Share</dd>" in page


def test_every_page_says_what_made_it_and_has_the_one_stylesheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/omlzoo", "evaluate", "vits16_dino", "my table.csv"])
    heading = Heading("Report", "vits16_dino", "my table.csv")
    style = (PROJECT / "omlzoo/pages/style.css").read_text()
    pages = [gallery_page(heading, [], []), report_page(heading, [], [], [], [], [])]
    for page in [*pages, search_page("vits16_dino")]:
        assert style in page
        assert page.count("<header>") == 1
        assert f"<dd>omlzoo {omlzoo.__version__}</dd>" in page
        assert f"<dd>{date.today().isoformat()}</dd>" in page
        assert "<dd>vits16_dino</dd>" in page
    assert all("<code>omlzoo evaluate vits16_dino &#39;my table.csv&#39;</code>" in page for page in pages)


def test_a_page_of_a_library_call_names_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["my_script.py", "secret"])
    assert "<code>" not in gallery_page(Heading("Hits"), [], [])


def test_a_table_that_is_filtered_allows_its_own_script_and_style_alone() -> None:
    columns = [Column("kind", filter="choice"), Column("size", "number", "at most", "in <metres>")]
    rows = [("a_b", [Cell("x, y", "x|y"), Cell("1.5", 1.5, 'said "so"')]), ("<c>", [Cell("y", "y"), Cell("")])]
    page = table_page(Heading("Things", date=""), ["one fact"], "name", columns, rows)
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', page)
    assert policy is not None
    parts = dict(part.strip().split(" ", 1) for part in html.unescape(policy[1]).split(";"))
    assert parts["default-src"] == "'none'"
    for kind in ("style", "script"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert parts[f"{kind}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"\son[a-z]+=|\sstyle=|https?://", page), "nothing that the policy forbids"
    assert "<option>x</option><option>y</option>" in page
    assert "a_<wbr>b" in page
    assert "&lt;c&gt;" in page
    assert '<td class="number empty" data-name="size" data-value=""></td>' in page

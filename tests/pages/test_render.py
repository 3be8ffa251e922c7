"""Pages hold their pictures once, escape what users wrote, and allow their own scripts and styles alone."""

import base64
import hashlib
import html
import json
import re
from datetime import date
from pathlib import Path

import pytest
from PIL import Image
from places import PROJECT

import omlzoo
from omlzoo.pages.album import Album
from omlzoo.pages.charts import Axis, Chart, Colouring, Map, Series
from omlzoo.pages.parts import Advice, Bar, Card, Cell, Column, Heading, Number, Row, Section
from omlzoo.pages.render import gallery_page, report_page, search_page, table_page, tidy_page

STRANGE = "\x00\x1b[31m\u202e\udcff</script><b>" + "x" * 10_000
CHART = Chart("Loss", "It falls.", Axis("epoch"), Axis("loss"), [Series(STRANGE, [1, 2], [2, float("nan")])])
MAP = Map("Map", "All rows.", [0, 1], [1, 0], ["a.png", STRANGE], [Colouring("label", ["a", STRANGE])])


def policy_of(page: str) -> dict[str, str]:
    """The directives of a page's policy."""
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', page)
    assert found is not None
    return dict(part.strip().split(" ", 1) for part in html.unescape(found[1]).split(";"))


def every_page(heading: Heading) -> list[str]:
    """A page of each kind, with texts that must not be obeyed."""
    row = Row(Card(None, STRANGE, STRANGE, True, STRANGE, STRANGE), [Card(None, "b", "0.5", False)])
    return [
        gallery_page(heading, [STRANGE], [row], [CHART]),
        report_page(
            heading, [STRANGE], [(STRANGE, [STRANGE])], [STRANGE], [(STRANGE, STRANGE)], [Section(STRANGE, [row], STRANGE, "s")],
            [MAP, CHART], answer=[Number("First", "cmc@1", "93.0", STRANGE, [Bar(STRANGE, 0.93, (0.9, 0.95))])],
            findings=[Advice(STRANGE, STRANGE, STRANGE, [row.query])], groups=(["category"], [[STRANGE, "1"]]),
        ),
        tidy_page(heading, [STRANGE], [Section("Kinds", [row], STRANGE, "kinds")], [MAP], table="AA==", labels=[STRANGE], how=STRANGE),
    ]  # fmt: skip


def test_text_is_escaped_and_missing_pictures_are_said() -> None:
    row = Row(Card(None, "<script>alert(1)</script>"), [Card(None, "b", "0.5", True)])
    page = gallery_page(Heading("Search & find"), ["one fact"], [row])
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "no picture" in page
    assert "Search &amp; find" in page


def test_labels_are_cut_and_what_cannot_be_shown_is_written_out() -> None:
    for page in every_page(Heading("Hits", STRANGE, STRANGE, STRANGE)):
        page.encode("utf-8")
        assert not {"\x00", "\x1b", "\u202e", "\udcff"} & {*page}
        assert "<b>x" not in page
        assert "\\u0000\\u001b[31m\\u202e\\udcff&lt;/script&gt;&lt;b&gt;xxxx" in page
        for data in re.findall(r'<script type="application/json" id="charts">(.*?)</script>', page):
            assert [chart["title"] for chart in json.loads(data)] in (["Loss"], ["Map"], ["Loss", "Map"])


def test_a_picture_is_inside_once_and_opens_with_what_is_said_of_it(tmp_path: Path) -> None:
    Image.new("RGB", (400, 100), "red").save(tmp_path / "a.png")
    album = Album(tmp_path / "page.html")
    card = album.card(tmp_path / "a.png", None, "boot", "0.5", False, name="shoes/a.png", why="hit 1")
    page = gallery_page(Heading("Hits"), [], [Row(card, [card, card])])
    assert page.count(str(card.picture)) == 1
    assert page.count('data-same="p0"') == 2
    assert page.count('data-name="shoes/a.png" data-why="hit 1" data-link="a.png"') == 3
    assert page.count('alt="boot, shoes/a.png"') == 3


def test_a_report_begins_with_its_answer_and_has_its_columns_and_definitions() -> None:
    number = Number(
        "Right item first", "cmc@1", "93.0", "Of 100 searches, 93.", [Bar("this model", 0.93, (0.91, 0.95))]
    )
    page = report_page(
        Heading("Report"), [], [("cmc@1", ["0.5", "0.6"])], ["before", "after"], [("cmc@k", "Share")], answer=[number],
        folded=True,
    )  # fmt: skip
    assert '<th scope="col">before</th><th scope="col">after</th>' in page
    assert "<dt>cmc@k</dt><dd>Share</dd>" in page
    assert '<rect class="interval" x="91.00" y="0" width="4.00" height="10"/>' in page
    assert page.index("Of 100 searches") < page.index("<details>")
    assert "<details open><summary>1 numbers" not in page


def test_contents_lead_to_sections_that_are_there() -> None:
    for page in every_page(Heading("Hits"))[1:]:
        names = re.findall(r'<a href="#(\w+)">', page)
        assert len(names) >= 2
        assert all(f'id="{name}"' in page for name in names)


def test_every_page_says_what_made_it_and_has_the_one_stylesheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/omlzoo", "evaluate", "vits16_dino", "my table.csv"])
    style = (PROJECT / "omlzoo/pages/style.css").read_text()
    pages = every_page(Heading("Report", "vits16_dino", "my table.csv"))
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


def test_every_page_allows_its_own_scripts_and_styles_alone_and_asks_for_nothing() -> None:
    pages = [*every_page(Heading("Hits")), table_page(Heading("Zoo"), [], "name", [], []), search_page("m")]
    for page in pages:
        parts = policy_of(page)
        assert parts["default-src"] == "'none'"
        for kind in ("style", "script"):
            contents = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
            digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in contents]
            assert parts[f"{kind}-src"] == " ".join(f"'sha256-{digest}'" for digest in digests)
        bare = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
        assert not re.search(r"\son[a-z]+=|\sstyle=|https?://", bare), "nothing that the policy forbids"
    assert "connect-src" not in "".join(page[:1000] for page in pages[:-1])


def test_only_pages_with_charts_have_the_library() -> None:
    library = (PROJECT / "omlzoo/pages/echarts.js").read_text()
    assert len(library) <= 1_200_000
    assert library in gallery_page(Heading("Hits"), [], [], [CHART])
    assert library not in gallery_page(Heading("Hits"), [], [])


def test_a_table_that_is_filtered_has_its_choices() -> None:
    columns = [Column("kind", filter="choice"), Column("size", "number", "at most", "in <metres>")]
    rows = [("a_b", [Cell("x, y", "x|y"), Cell("1.5", 1.5, 'said "so"')]), ("<c>", [Cell("y", "y"), Cell("")])]
    page = table_page(Heading("Things", date=""), ["one fact"], "name", columns, rows)
    assert "<option>x</option><option>y</option>" in page
    assert "a_<wbr>b" in page
    assert "&lt;c&gt;" in page
    assert '<td class="number empty" data-name="size" data-value=""></td>' in page

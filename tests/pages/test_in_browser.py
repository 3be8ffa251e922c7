"""Pages in Chromium, at two widths, light and dark: whole, readable by all, asking for nothing, and what their buttons do."""

import csv
import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from omlzoo.pages.album import Album, atlas
from omlzoo.pages.charts import Axis, Chart, Colouring, Map, Series
from omlzoo.pages.parts import Advice, Bar, Cell, Column, Heading, Number, Row, Section
from omlzoo.pages.render import gallery_page, report_page, table_page, tidy_page

HEADING = Heading(
    "A page", "vits16_dino", "a table.csv", "omlzoo evaluate vits16_dino 'a table.csv' --html page.html", "2026-01-02"
)
CHART = Chart("Loss", "It falls from 3 to 1.", Axis("epoch"), Axis("loss"), [
    Series("loss", [1, 2, 3], [3, 2, 1]), Series("band", [1, 2, 3], [2, 1, 0], "band", [4, 3, 2]),
    Series("dots", [1, 2], [1, 1], "dots", sizes=[9, 5]), Series("right", [1, 2, 3], [0, 1, 0], "step", colour="right"),
])  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, or a skip with the reason."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page of each kind and the pictures that they show."""
    folder = tmp_path_factory.mktemp("pages")
    files = [folder / f"{number}.png" for number in range(6)]
    for number, file in enumerate(files):
        Image.new("RGB", (400, 300), (40 * number, 80, 200 - 30 * number)).save(file)
    album = Album(folder / "page.html")
    cards = [
        album.card(file, None, f"label {number}", "0.5 away", number % 2 == 0, name=f"folder/{file.name}", why=f"hit {number}", row=number)
        for number, file in enumerate(files)
    ]  # fmt: skip
    row = Row(cards[0], cards[1:], cards[2:4])
    shown = Map(
        "Map", "All rows.", [0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 0, 1], [file.name for file in files],
        [Colouring("first hit", ["right", "wrong"] * 3, "outcome"), Colouring("label", ['a "quoted", one', *"bcdef"]),
         Colouring("price", [1, 2, 3, 4, 5, 6], "number")],
        atlas(files, [None] * 6),
    )  # fmt: skip
    number = Number("Right item first", "cmc@1", "93.0", "Of 100 searches, 93.", [
        Bar("after", 0.93, (0.91, 0.95)), Bar("before", 0.8, (0.7, 0.9), "before"), Bar("raw pixels", 0.3, None, "baseline"),
    ])  # fmt: skip
    report = report_page(
        HEADING, ["queries: 6"], [("cmc@1", ["0.93"])], ["value"], [("cmc@k", "A share.")],
        [Section("Worst", [row], "By map@r.", "worst")], [CHART, shown], answer=[number] * 3,
        findings=[Advice("Labels", "Look.", "Correct them.", cards[:2])],
        groups=(["category", "queries", "cmc@1"], [["b", "10", "0.5"], ["a", "9", "0.7"]]), folded=True,
    )  # fmt: skip
    table = {
        "columns": ["path", "label"],
        "rows": [[file.name, f'label "{place}", old'] for place, file in enumerate(files)],
    }
    packed = _packed(table)
    (folder / "report.html").write_text(report)
    (folder / "hits.html").write_text(gallery_page(HEADING, ["6 queries"], [row]))
    (folder / "tidy.html").write_text(
        tidy_page(HEADING, ["6 pictures"], [Section("Kinds", [row], "By size.", "kinds")], [shown], table=packed,
                  labels=["lemon", "satsuma"], how="It is written.")
    )  # fmt: skip
    columns = [Column("kind", filter="choice"), Column("size", "number", "at most")]
    (folder / "table.html").write_text(
        table_page(HEADING, ["one fact"], "name", columns, [("a", [Cell("x", "x"), Cell("1", 1)])])
    )
    return folder


def _packed(table: Any) -> str:
    import base64
    import gzip

    return base64.b64encode(gzip.compress(json.dumps(table).encode())).decode()


def axe() -> str:
    """The script of axe-core, or a skip."""
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "scheme"), [
    (390, "dark"), (1440, "light"), pytest.param(390, "light", marks=pytest.mark.slow),
    pytest.param(1440, "dark", marks=pytest.mark.slow),
])  # fmt: skip
def test_every_page_is_readable_by_all_and_asks_for_nothing(browser: Any, pages: Path, width: int, scheme: str) -> None:
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    complaints: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    view.on("console", lambda message: complaints.append(message.text))
    view.on("pageerror", lambda error: complaints.append(str(error)))
    for file in sorted(pages.glob("*.html")):
        view.goto(file.as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") <= width, file.name
        assert view.locator("canvas").count() >= view.locator("[data-chart]").count()
        view.evaluate(f"{axe()};0")
        found = view.evaluate("axe.run().then(found => found.violations.map(each => [each.id, each.nodes[0].html]))")
        assert found == [], file.name
    view.close()
    assert complaints == []
    assert {url for url in asked if not url.startswith("data:")} == {file.as_uri() for file in pages.glob("*.html")}


def test_a_picture_opens_with_what_is_said_of_it(browser: Any, pages: Path) -> None:
    view = browser.new_page(viewport={"width": 1440, "height": 900})
    view.goto((pages / "hits.html").as_uri())
    assert view.locator(".card img").evaluate_all(
        "images => images.every(image => image.src.startsWith('data:image/'))"
    )
    view.locator(".query .open").focus()
    view.keyboard.press("Enter")
    large = view.locator("#large")
    assert large.locator("img").bounding_box()["width"] == 320
    assert "label 0" in large.inner_text()
    assert "folder/0.png" in large.inner_text()
    assert large.locator("a").get_attribute("href") == "0.png"
    view.keyboard.press("ArrowRight")
    for said in ("label 2", "hit 2", "0.5 away", "right"):
        assert said in large.inner_text()
    view.keyboard.press("Escape")
    assert not large.is_visible()
    view.close()


def test_categories_are_sorted_by_a_press(browser: Any, pages: Path) -> None:
    view = browser.new_page()
    view.goto((pages / "report.html").as_uri())
    view.click("#groups >> text=queries")
    assert view.locator("#groups tbody th").all_inner_texts() == ["a", "b"]
    view.click("#groups >> text=queries")
    assert view.locator("#groups tbody th").all_inner_texts() == ["b", "a"]
    view.close()


def test_a_lasso_writes_the_rows_that_it_holds(browser: Any, pages: Path, tmp_path: Path) -> None:
    view = browser.new_page(viewport={"width": 1440, "height": 1200}, accept_downloads=True)
    view.goto((pages / "tidy.html").as_uri())
    canvas = view.locator("[data-chart]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    left, low = (
        4 + 0.04 / 1.08 * (box["width"] - 8),
        box["height"] - 4 - 0.04 / 1.08 * (box["height"] - 8),
    )  # the first row
    view.mouse.move(box["x"] + left - 9, box["y"] + low - 9)
    view.mouse.move(box["x"] + left, box["y"] + low)
    assert "0.png; first hit: right" in view.locator(".tip").inner_text()
    view.click("text=Lasso")
    box = canvas.bounding_box()
    view.mouse.move(box["x"] + left - 20, box["y"] + low - 40)
    view.mouse.down()
    for x, y in ((40, -40), (40, 15), (-20, 15), (-20, -35)):
        view.mouse.move(box["x"] + left + x, box["y"] + low + y, steps=4)
    view.mouse.up()
    chosen = pytest.importorskip("playwright.sync_api").expect(view.locator(".tools [role=status]"))
    chosen.to_have_text("1 chosen")
    with view.expect_download() as found:
        view.click("text=Save the chosen rows as csv")
    found.value.save_as(tmp_path / "chosen.csv")
    with (tmp_path / "chosen.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "first hit", "label", "price"],
            ["0.png", "right", 'a "quoted", one', "1"],
        ]
    view.close()


def test_what_is_decided_becomes_a_table(browser: Any, pages: Path, tmp_path: Path) -> None:
    view = browser.new_page(viewport={"width": 390, "height": 844}, accept_downloads=True)
    view.goto((pages / "tidy.html").as_uri())
    assert view.locator("#save").is_disabled()
    view.locator("[data-row='1'] button[data-kind=drop]").first.click()
    view.locator("[data-row='2'] button[data-kind=keep]").first.click()
    view.locator("[data-row='3'] input").first.fill("satsuma")
    view.locator("[data-row='4'] button[data-kind=drop]").first.click()
    view.locator("[data-row='4'] button[data-kind=drop]").first.click()  # again: nothing is decided
    assert view.locator("#decided").inner_text() == "1 kept, 1 dropped, 1 relabelled"
    with view.expect_download() as found:
        view.click("#save")
    found.value.save_as(tmp_path / "decided.csv")
    with (tmp_path / "decided.csv").open(newline="") as file:
        columns, *rows = csv.reader(file)
    assert columns == ["path", "label"]
    assert rows == [[f"{place}.png", "satsuma" if place == 3 else f'label "{place}", old'] for place in (0, 2, 3, 4, 5)]
    view.close()

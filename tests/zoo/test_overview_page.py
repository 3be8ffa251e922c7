"""The page of the zoo: whole, and asking for nothing; a person filters and sorts it in a browser."""

import json
import re
import shutil
from pathlib import Path

import pytest

from omlzoo.checkpoints import manifest
from omlzoo.zoo.overview import overview
from omlzoo.zoo.overview_page import overview_page


@pytest.fixture(scope="module")
def page() -> str:
    return overview_page(overview(), local=False)


def test_every_checkpoint_is_a_row_with_its_facts(page: str) -> None:
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", page)
    assert [name.replace("<wbr>", "") for name, _ in rows] == list(manifest.names())
    for (_, cells), one in zip(rows, overview(), strict=True):
        values = dict(re.findall(r'data-name="(.*?)" data-value="(.*?)"', cells))
        assert values["family"] == one.entry.family
        assert values["task"].split("|") == list(one.tasks)
        assert int(values["dim"]) == one.entry.dim
        assert values["text"] == ("yes" if one.entry.text else "no")
        assert values["img/s"] == ("" if one.speed is None else str(one.speed))


def test_the_page_says_who_measured_and_where(page: str) -> None:
    assert 'data-name="SOP" data-value="0.866" title="cmc@1 by OML: README of OML-Team/open-metric-learning"' in page
    assert "2 cores that others used at the same time" in page


def test_the_same_zoo_is_the_same_page_on_any_day(page: str) -> None:
    assert overview_page(overview(), local=False) == page
    assert "<dt>date</dt>" not in page
    local = overview_page(overview(), local=True, date="2026-01-02")
    assert "<dd>2026-01-02</dd>" in local
    assert 'data-name="here" data-value="yes">bundled' in local
    assert 'data-name="here"' not in page


def test_a_person_filters_and_sorts_in_a_browser(page: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    (tmp_path / "zoo.html").write_text(page)
    entries = [manifest.find(name) for name in manifest.names()]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        asked: list[str] = []
        complaints: list[str] = []
        for width in (390, 1200):
            view = browser.new_page(viewport={"width": width, "height": 844})
            view.on("request", lambda request: asked.append(request.url))
            view.on("console", lambda message: complaints.append(message.text))
            view.on("pageerror", lambda error: complaints.append(str(error)))
            view.goto((tmp_path / "zoo.html").as_uri())
            assert view.evaluate("document.documentElement.scrollWidth") <= width
            rows = view.locator("tbody tr:visible th")
            assert rows.count() == len(entries)
            view.fill("#pattern", "INSHOP")
            assert set(rows.all_inner_texts()) == {e.name for e in entries if "inshop" in e.name}
            view.fill("#pattern", "")
            view.select_option("label:has-text('family') select", "moco")
            assert set(rows.all_inner_texts()) == {e.name for e in entries if e.family == "moco"}
            view.fill("label:has-text('params M') input", "22.5")
            small = [e for e in entries if e.family == "moco" and e.params <= 22.5e6]
            assert set(rows.all_inner_texts()) == {e.name for e in small}
            assert view.inner_text("#count") == f"{len(small)} of {len(entries)}"
            view.click("text=Clear")
            playwright.expect(view.locator("#count")).to_have_text(f"{len(entries)} of {len(entries)}")
            if width < 1000:
                view.select_option("#order", label="params M")
            else:
                view.click("thead >> text=params M")
            numbers = [manifest.find(name).params for name in rows.all_inner_texts()]
            assert numbers == sorted(numbers, reverse=True)
            if width >= 1000:
                view.click("thead >> text=img/s")
                speeds = json.loads(view.evaluate("JSON.stringify(rows.map(row => row.cells[6].dataset.value))"))
                known = [float(speed) for speed in speeds if speed]
                assert known == sorted(known, reverse=True)
                assert not any(speeds[len(known) :]), "what is not known comes last"
        browser.close()
    assert complaints == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}

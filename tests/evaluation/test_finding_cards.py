"""Findings are shown with their pictures and with what to do."""

from pathlib import Path

import pandas as pd
from PIL import Image

from omlzoo.data.table import Table
from omlzoo.evaluation.finding_cards import KINDS, finding_cards
from omlzoo.evaluation.findings import Finding
from omlzoo.pages.album import Album


def test_each_kind_has_its_pictures(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(tmp_path / f"{number}.png")
    frame = pd.DataFrame({"path": [f"{number}.png" for number in range(4)], "label": ["a", "a", "b", "c"]})
    findings = [
        Finding("mislabelled", "looks wrong", 1, ({"path": "1.png", "label": "a", "looks_like": "b"},)),
        Finding("copies", "twice", 1, ({"path": "0.png", "label": "a", "same_as": "2.png", "its_label": "b"},)),
        Finding("confused", "most often", 1, ({"label": "c", "taken_for": "b", "queries": 3},)),
        Finding("collapsed", "one point", 4),
        Finding("impossible", "gone", 1, ({"path": "9.png", "label": "z"},)),
    ]
    wrong, copies, confused, collapsed, gone = finding_cards(findings, Table(frame, tmp_path, "t"), Album())
    assert wrong.text == "Looks wrong."
    assert wrong.remedy == KINDS["mislabelled"][1]
    assert [(card.name, card.text) for card in wrong.cards] == [("1.png", "looks like b")]
    assert [card.name for card in copies.cards] == ["0.png", "2.png"]
    assert [(card.name, card.title) for card in confused.cards] == [("3.png", "c"), ("2.png", "b")]
    assert confused.cards[1].text == "taken for it in 3 searches"
    assert not collapsed.cards
    assert not gone.cards
    assert all(not each.cards for each in finding_cards(findings, None, Album()))

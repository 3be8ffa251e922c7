"""Recall between pictures and captions equals a loop over cosines; what hinders it is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from loopback_hub import LoopbackHub
from text_entries import publish, with_text

import omlzoo
from omlzoo.cli import main
from omlzoo.data import table
from omlzoo.errors import OmlzooWarning
from omlzoo.evaluation.caption_recall import RECALLS
from omlzoo.models._extractor import Extractor

TEXTS = ["red shoe", "blue hat", "white shoe", "red hat", "blue shoe with sole"]


def described(drawn: Path) -> pd.DataFrame:
    """The rows of the csv, each with a text; a text may be of several characters, and of one there may be several."""
    rows = table.read(drawn, "train").frame
    rows["path"] = [str(drawn.parent / path) for path in rows["path"]]
    return rows.assign(text=[TEXTS[number % 5] for number in range(len(rows))])


def by_hand(images: np.ndarray, texts: dict[str, np.ndarray], own: list[str], k: int) -> tuple[float, float]:
    unit = [image / np.linalg.norm(image) for image in images]
    first, second = [], []
    for image, text in zip(unit, own, strict=True):
        nearest = sorted(texts, key=lambda name: -float(texts[name] @ image))[:k]
        first.append(text in nearest)
    for text, vector in texts.items():
        nearest_rows = sorted(range(len(unit)), key=lambda row: -float(vector @ unit[row]))[:k]
        second.append(any(own[row] == text for row in nearest_rows))
    return float(np.mean(first)), float(np.mean(second))


@pytest.fixture
def model(hub: LoopbackHub, tmp_path: Path) -> Extractor:
    text, _ = publish(hub, "texts/recall", 16)
    return with_text(text, tmp_path / "model")


def test_recall_equals_the_loop(model: Extractor, drawn: Path) -> None:
    rows = described(drawn)
    report = omlzoo.evaluate(model, rows, progress=False)
    good = report.embeddings
    assert good is not None
    reader = omlzoo.get_text_model(model.facts.address)
    texts = {text: reader(text)[0].numpy() for text in TEXTS}
    for k in (1, 5, 10):
        wanted = by_hand(good.vectors, texts, good.table["text"].tolist(), k)
        assert [report.metrics[f"{name}@{k}"] for name in RECALLS] == pytest.approx(wanted)
        low, high = report.intervals[f"{RECALLS[0]}@{k}"]
        assert low <= wanted[0] <= high
    assert report.metrics["image_to_text_recall@5"] == 1, "there are five different texts"
    assert report.facts["captions"] == "40 pictures with 5 texts"
    saved = omlzoo.evaluate(replace(good, model=None))
    assert saved.metrics["text_to_image_recall@1"] == report.metrics["text_to_image_recall@1"]
    quick = omlzoo.evaluate(model, rows, thorough=False, progress=False)
    assert quick.metrics["text_to_image_recall@1"] == report.metrics["text_to_image_recall@1"]
    assert quick.intervals == {}


def test_rows_without_text_and_long_ones_are_counted_and_said(model: Extractor, drawn: Path) -> None:
    rows = described(drawn)
    measured = rows.index[rows["split"] == "validation"]
    rows.loc[measured[:3], "text"] = ["", " ", None]
    rows.loc[measured[5], "text"] = "red shoe with white sole red hat"
    with pytest.warns(OmlzooWarning) as said:
        report = omlzoo.evaluate(model, rows, progress=False)
    texts = [str(one.message) for one in said]
    assert [text for text in texts if "recall" in text] == [
        "recall between pictures and texts: 3 of 40 rows have no text",
        "recall between pictures and texts: 1 of 40 rows have a text of more than 5 tokens, which the text tower reads "
        "the first 5 of",
    ]
    assert report.facts["captions"].startswith("37 pictures with 6 texts; 3 of 40 rows have no text; 1 of 40")
    rows["text"] = " "
    with pytest.warns(OmlzooWarning, match="recall between pictures and texts is left out: no picture has a text"):
        report = omlzoo.evaluate(model, rows, progress=False)
    assert "cmc@1" in report.metrics
    assert "text_to_image_recall@1" not in report.metrics


def test_what_hinders_is_said_and_the_rest_is_measured(model: Extractor, drawn: Path, hub: LoopbackHub) -> None:
    rows = described(drawn)
    with torch.no_grad():
        next(model.parameters()).add_(0.01)
    with pytest.warns(OmlzooWarning, match="is left out: the text tower of .* is of other weights than these vectors"):
        report = omlzoo.evaluate(model, rows, progress=False)
    assert report.facts["captions"].startswith("none: the text tower")
    assert "cmc@1" in report.metrics


def test_without_a_text_tower_or_texts_nothing_is_added_or_said(drawn: Path, model: Extractor) -> None:
    from toys import toy

    plain: Any = omlzoo.evaluate(toy("resnet_toy"), described(drawn), progress=False)
    without: Any = omlzoo.evaluate(model, drawn, progress=False)
    for report in (plain, without):
        assert not [name for name in report.metrics if "recall" in name]
        assert "captions" not in report.facts


def test_the_command_prints_it(
    model: Extractor, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described(drawn).to_csv(tmp_path / "described.csv", index=False)
    assert (
        main(["evaluate", model.facts.address, str(tmp_path / "described.csv"), "--html", str(tmp_path / "r.html")])
        == 0
    )
    assert "text_to_image_recall@1 " in capsys.readouterr().out
    assert "Share of different texts with one of their pictures" in (tmp_path / "r.html").read_text()

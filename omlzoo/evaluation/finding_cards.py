"""Findings as cards: what was found in a few words, its pictures, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from omlzoo.data.table import Table
from omlzoo.evaluation.card_titles import card_titles
from omlzoo.evaluation.findings import Finding
from omlzoo.pages.album import Album
from omlzoo.pages.parts import Advice, Card

__all__ = ["KINDS", "finding_cards"]

PICTURES = 6  # of a finding
OTHERS = ("same_as",)  # columns of a finding's rows that name another picture
LABELS = ("label", "taken_for")  # columns that name a label, where a row names no picture

KINDS: Mapping[str, tuple[str, str]] = {
    "certain": (
        "Searches that cannot fail",
        "Leave these queries out, or add pictures of other labels.",
    ),
    "copied": ("Copies of queries in the gallery", "Take the copies out of the table, or give both one sequence."),
    "easy": ("An easy table", "Measure on pictures of other days, places or cameras before you trust the number."),
    "impossible": ("Searches that cannot succeed", "Add gallery pictures of these labels, or leave the queries out."),
    "mislabelled": ("Labels that look wrong", "Look at each; where the label is wrong, correct it in the table."),
    "copies": ("One picture, two labels", "Decide which label is right and correct the other, or take both out."),
    "collapsed": ("Collapsed embeddings", "Do not use this model: train with a lower learning rate or another loss."),
    "confused": ("Labels that are confused", "Join labels that are one thing; of the others collect more pictures."),
}


def finding_cards(findings: Sequence[Finding], table: Table | None, album: Album) -> list[Advice]:
    """A card for each finding.

    Args:
        findings: The findings.
        table: The table that they are about, with its pictures; None shows no pictures.
        album: The pictures of the page.
    """
    pictures = None if table is None else _Pictures(table, album)
    said = [(each, *KINDS.get(each.kind, (each.kind, ""))) for each in findings]
    return [
        Advice(title, each.text[:1].upper() + each.text[1:] + ".", remedy, pictures.cards(each) if pictures else ())
        for each, title, remedy in said
    ]


class _Pictures:
    def __init__(self, table: Table, album: Album) -> None:
        self.files, self.boxes, self.album = table.files(), table.boxes(), album
        paths = [str(path) for path in table.frame["path"]]
        labels = [str(label) for label in table.frame["label"]]
        self.titles = card_titles(table.frame)
        self.paths = paths
        self.row_of = {path: row for row, path in reversed(list(enumerate(paths)))}
        self.first_of = {label: row for row, label in reversed(list(enumerate(labels)))}

    def cards(self, finding: Finding) -> list[Card]:
        """The pictures of a finding's first rows."""
        cards: list[Card] = []
        for values in finding.rows:
            new = self._of_row(values)
            if len(cards) + len(new) > PICTURES:
                break
            cards += new
        return cards

    def _of_row(self, values: Mapping[str, Any]) -> list[Card]:
        if "path" not in values:
            texts = ("asked for", f"taken for it in {values.get('queries', '')} searches")
            rows = [(self.first_of.get(str(values.get(name))), text) for name, text in zip(LABELS, texts, strict=True)]
        else:
            other = f"looks like {values['looks_like']}" if "looks_like" in values else ""
            rows = [(self.row_of.get(str(values["path"])), other)]
            rows += [(self.row_of.get(str(values[name])), "the same picture") for name in OTHERS if name in values]
        return [self._card(row, text) for row, text in rows if row is not None]

    def _card(self, row: int, text: str) -> Card:
        return self.album.card(self.files[row], self.boxes[row], self.titles[row], text, name=self.paths[row], why=text)

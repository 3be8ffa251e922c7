"""What looks wrong in the pictures of a table, as lines and as a page that shows them."""

from pathlib import Path

from omlzoo.cli.output import print_columns, print_line
from omlzoo.data.quality import RULES, Quality, picture_quality
from omlzoo.data.table import Table
from omlzoo.files import new_file
from omlzoo.pages.album import Album
from omlzoo.pages.parts import Card, Heading, Row
from omlzoo.pages.render import gallery_page

__all__ = ["print_quality"]

NAMED = 3  # pictures of an issue that are named
SHOWN = 60  # pictures of an issue on the page, and groups of copies
VALUES = {
    "dark": "brightest", "light": "darkest", "blurry": "sharpness", "low information": "entropy", "odd size": "side",
    "odd shape": "shape",
}  # fmt: skip


def print_quality(table: Table, html: Path | None = None) -> None:
    """Measure all pictures of a table and print how many have each issue.

    Args:
        table: The table.
        html: Also write one page with the pictures there; None writes none.
    """
    quality = picture_quality(table)
    paths = table.frame["path"].astype(str).to_numpy()
    rows = [[name, str(len(found)), " ".join(paths[found[:NAMED]]), RULES[name]]
            for name, found in quality.issues.items()]  # fmt: skip
    copied = sum(map(len, quality.copies))
    first = " ".join(paths[quality.copies[0][:NAMED]]) if quality.copies else ""
    rows.append(["near copies", str(copied), first, RULES["near copies"]])
    print_columns(["look", "pictures", "the first", "rule"], rows)
    unreadable = quality.unreadable
    print_line(
        f"{len(quality.flagged)} of {len(table)} pictures have one of these; {copied} are in {len(quality.copies)} "
        f"groups of near copies; {len(unreadable)} could not be read"
    )
    for row in unreadable[:SHOWN]:
        print_line(f"  {paths[row]}: {quality.measures['error'].iloc[row]}")
    if html is not None:
        _write_page(table, quality, html)


def _write_page(table: Table, quality: Quality, html: Path) -> None:
    pictures, boxes, paths = table.pictures(), table.boxes(), table.frame["path"].astype(str).to_numpy()
    album = Album(html)

    def card(row: int, text: str) -> Card:
        return album.card(pictures[row], boxes[row], Path(paths[row]).name, text, name=str(paths[row]))

    rows = []
    for name, found in quality.issues.items():
        if len(found):
            column = VALUES[name]
            values = quality.measures[column].to_numpy()
            cards = [card(int(row), f"{column} {values[row]:.3g}") for row in found[:SHOWN]]
            rows.append(Row(Card(None, f"{name}: {_count(len(found))}", RULES[name]), cards))
    for group in quality.copies[:SHOWN]:
        cards = [card(int(row), paths[row]) for row in group[:SHOWN]]
        rows.append(Row(Card(None, f"near copies: {_count(len(group))}", RULES["near copies"]), cards))
    facts = [
        f"{len(quality.flagged)} of {len(table)} pictures look wrong by one of these rules; {len(quality.unreadable)} "
        "could not be read.",
        f"The worst first; at most {SHOWN} pictures of each, and {SHOWN} groups of near copies, are shown.",
        "The rules are those of photographs: what is right for your pictures you see here. Nothing was changed.",
        *album.notes(),
    ]
    with new_file(html) as temporary:
        temporary.write_text(gallery_page(Heading("Quality of pictures", "", table.name), facts, rows), "utf-8")


def _count(pictures: int) -> str:
    return f"{pictures} pictures"

"""A table is what its lines say: rows that stray quotes swallow are a fault, line breaks of a note are not."""

from pathlib import Path

import pytest

from omlzoo.data import table
from omlzoo.errors import BadTable

COLUMNS = {"path": "p{}.png", "label": "{}", "split": "validation", "is_query": "1", "is_gallery": "1", "note": "ok"}


def write(folder: Path, order: list[str], stray: str, rows: tuple[int, ...], ends: bool, separator: str = ",") -> Path:
    """A table of 12 pictures, in which a column of some rows opens with a quote, or ends with it in the last of them."""
    lines = [separator.join(order)]
    for number in range(12):
        (folder / f"p{number}.png").touch()
        values = {name: COLUMNS[name].format(number) for name in order}
        if number in rows:
            last = ends and number == rows[-1]
            values[stray] = values[stray] + '"' if last else '"' + values[stray]
        lines.append(separator.join(values[name] for name in order))
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("rows", [(3, 4), (3, 8), (0, 11)])
@pytest.mark.parametrize("stray", list(COLUMNS))
@pytest.mark.parametrize(
    "order", [list(COLUMNS), list(COLUMNS)[::-1], ["label", "note", "path", "split", "is_query", "is_gallery"]]
)
def test_stray_quotes_are_a_fault_wherever_they_stand(
    tmp_path: Path, order: list[str], stray: str, rows: tuple[int, ...], ends: bool, separator: str
) -> None:
    path = write(tmp_path, order, stray, rows, ends, separator)
    found = table.find_faults(path)
    assert found, "all lines but the header are rows, and some of them are gone"
    assert any(fault.row == rows[0] + 2 for fault in found) or "cannot be read" in str(found[0])
    with pytest.raises(BadTable):
        table.read(path, "evaluate")


NOTES = [
    "see p1.png", "one\ntwo", "one, and\ntwo, and three", "it is 5\" wide", "a\n\nb", "a\r\nb", "first\nsee p1.png",
    "x,y\n1,2\n3,4\n", "p1.png\np2.png",
]  # fmt: skip


@pytest.mark.parametrize("note", NOTES)
def test_honest_notes_are_read_as_they_are(tmp_path: Path, note: str) -> None:
    for number in range(3):
        (tmp_path / f"p{number}.png").touch()
    quoted = '"' + note.replace('"', '""') + '"'
    text = "path,label,split,is_query,is_gallery,note\n" + "".join(
        f"p{number}.png,{number},validation,1,1,{quoted}\n" for number in range(3)
    )
    (tmp_path / "t.csv").write_bytes(text.encode())
    read = table.read(tmp_path / "t.csv", "evaluate")
    assert read.frame["note"].tolist() == [note] * 3
    assert read.lines == len(text.splitlines())


def test_a_value_is_named_with_its_row_and_the_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, list(COLUMNS), "note", (3, 8), ends=False)
    (fault,) = table.find_faults(path)
    assert (fault.row, fault.column) == (5, "note")
    assert fault.value.startswith("ok\np4.png,4,validation")
    assert fault.remedy.startswith("holds rows of the table: a quote is opened and closed only rows below;")

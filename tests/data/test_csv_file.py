"""Csv files of every system are read as their lines say, and what was told by them is said."""

from pathlib import Path

import pytest

from omlzoo.data import table
from omlzoo.data.csv_file import count_lines, how_written

HEADER = "path,label,split,is_query,is_gallery\n"
TEXT = HEADER + "a.png,caf\u00e9,validation,1,1\nb.png,2,validation,1,1\n"
LABELS = ["caf\u00e9", "2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, content: bytes) -> Path:
    (folder / "t.csv").write_bytes(content)
    return folder / "t.csv"


FORMS = {
    "utf-8": (TEXT.encode(), []),
    "with a mark": (TEXT.encode("utf-8-sig"), []),
    "utf-16": (TEXT.encode("utf-16"), ["it is UTF-16 and is read so"]),
    "utf-16, big": (("\ufeff" + TEXT).encode("utf-16-be"), ["it is UTF-16 and is read so"]),
    "utf-16 without a mark": (TEXT.encode("utf-16-le"), ["it is UTF-16-LE and is read so"]),
    "utf-16, big, without a mark": (TEXT.encode("utf-16-be"), ["it is UTF-16-BE and is read so"]),
    "utf-32": (TEXT.encode("utf-32"), ["it is UTF-32 and is read so"]),
    "Excel's Unicode text": (TEXT.replace(",", "\t").encode("utf-16"),
                             ["it is UTF-16 and is read so", "its columns are separated by '\\t' and are read so"]),
    "semicolons": (TEXT.replace(",", ";").encode(), ["its columns are separated by ';' and are read so"]),
    "bars": (TEXT.replace(",", "|").encode(), ["its columns are separated by '|' and are read so"]),
    "tabs": (TEXT.replace(",", "\t").encode(), ["its columns are separated by '\\t' and are read so"]),
    "sep=;": (("sep=;\r\n" + TEXT.replace(",", ";")).encode(), ["its columns are separated by ';' and are read so"]),
    "sep=,": (("sep=,\n" + TEXT).encode("utf-8-sig"), []),
    "sep=tab": (("sep=\t\n" + TEXT.replace(",", "\t")).encode(), ["its columns are separated by '\\t' and are read so"]),
    "comments": (('# made by a tool that is 5" wide\n\n# again\n' + TEXT).encode(), ["3 comment or blank lines above the header were passed over"]),
    "trailing commas": (TEXT.replace("\n", ",\n").encode(), []),
    "an index column": (("," + TEXT.replace("\na", "\n0,a").replace("\nb", "\n1,b")).encode(), []),
    "returns": (TEXT.replace("\n", "\r").encode(), []),
    "windows": (TEXT.replace("\n", "\r\n").encode(), []),
    "no last end": (TEXT.rstrip().encode(), []),
}  # fmt: skip


@pytest.mark.parametrize("form", list(FORMS))
def test_it_is_read_right_whatever_wrote_it(folder: Path, form: str) -> None:
    content, said = FORMS[form]
    read = table.read(write(folder, content), "evaluate")
    assert read.frame["path"].tolist() == ["a.png", "b.png"]
    assert read.frame["label"].tolist() == LABELS
    assert list(read.notices) == [f"{folder / 't.csv'}: {text}" for text in said]
    assert "Unnamed: 5" not in read.frame


@pytest.mark.parametrize(("above", "row"), [("", 3), ("# by a tool\n", 4), ("\n\n", 5), ("sep=,\n", 3)])
def test_rows_keep_the_number_that_a_spreadsheet_shows(folder: Path, above: str, row: int) -> None:
    content = (above + TEXT).replace("b.png", "gone.png").encode()
    assert [fault.row for fault in table.find_faults(write(folder, content)) if "no such file" in fault.remedy] == [row]


def test_latin_1_is_named_line_by_line(folder: Path) -> None:
    (fault,) = table.find_faults(write(folder, TEXT.encode("latin-1")))
    assert fault.row == 2
    assert "is not UTF-8" in fault.remedy


@pytest.mark.parametrize(("text", "said"), [
    ("Path;label\na.png;1\n", "column path: '': the column is missing; rename 'Path'"),
    ("identity,path,split\nx,a.png,train\n", "column label: '': the column is missing; rename 'identity'"),
    ("path,label\na.png,1,2\n", "row 2 has 3 values and the header 2 names"),
    ("path,label,path\na.png,1,a.png\n", "column path: '': the column stands in the table twice"),
    ("path;label;label\na.png;1;2\n", "column label: '': the column stands in the table twice"),
])  # fmt: skip
def test_what_cannot_be_read_right_is_named(folder: Path, text: str, said: str) -> None:
    assert said in "\n".join(map(str, table.find_faults(write(folder, text.encode()))))


def test_an_own_column_given_twice_is_said(folder: Path) -> None:
    read = table.read(write(folder, b"path,price,price\na.png,1,2\n"), "embed")
    assert read.frame[["price", "price.1"]].to_numpy().tolist() == [["1", "2"]]
    assert read.notices == (
        f"{folder / 't.csv'}: the column 'price' stands there twice; the later one is kept as 'price.1'",
    )


@pytest.mark.parametrize("text", ["a", "a\n", "a\nb", "a\rb\r", "a\r\nb\r\n", "\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lines_are_counted_as_python_counts_them(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert count_lines(tmp_path / "t.csv", encoding) == len(text.splitlines())


def test_a_file_of_comments_alone_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("# nothing\n" * 2000)
    assert how_written(tmp_path / "t.csv").names == []

"""Tables of every form are read, ids stay what they are, and all faults come at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from omlzoo.data import table
from omlzoo.errors import BadInput, BadTable, OmlzooWarning

COLUMNS = ["path", "label", "split", "is_query", "is_gallery"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (20, 10), (i, i, i)).save(tmp_path / f"images/{i}.png")
    return tmp_path


def rows(**changes: list[object]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "path": [f"images/{i}.png" for i in range(4)],
        "label": [7, 7, 8, 8],
        "split": ["train", "train", "validation", "validation"],
        "is_query": ["", "", True, True],
        "is_gallery": ["", "", 1, "true"],
    }
    return pd.DataFrame(columns | changes)


def faults(folder: Path, frame: pd.DataFrame) -> list[tuple[int | None, str, str]]:
    frame.to_csv(folder / "t.csv", index=False)
    return [(fault.row, fault.column, fault.remedy) for fault in table.find_faults(folder / "t.csv")]


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_every_form_reads_the_same(folder: Path, form: str) -> None:
    frame = rows()
    source: object = frame
    if form == "csv":
        source = folder / "t.csv"
        frame.to_csv(source, index=False)
    elif form == "parquet":
        source = folder / "t.parquet"
        frame.assign(is_query=[None, None, True, True], is_gallery=[None, None, True, True]).to_parquet(source)
    found = table.read(source, "train", root=folder)  # type: ignore[arg-type]
    assert found.frame["label"].tolist() == [7, 7, 8, 8]
    assert found.frame["is_query"].tolist() == found.frame["is_gallery"].tolist() == [False, False, True, True]
    assert [path.is_file() for path in found.files()] == [True] * 4
    assert found.boxes() == [None] * 4


@pytest.mark.parametrize("labels", [["007", "7", "08", "8"], ["NA", "null", "nan", "None"], ["1e3", "1000", "x", "-1"]])
def test_ids_stay_what_they_are(folder: Path, labels: list[str]) -> None:
    rows(label=labels).to_csv(folder / "t.csv", index=False)
    assert table.read(folder / "t.csv", "train").frame["label"].tolist() == labels


def test_boxes_are_read_and_empty_is_the_whole_picture(folder: Path) -> None:
    boxes = {"x_1": [0, None, 3, 1], "x_2": [5, None, 9, 20], "y_1": [1, None, 2, 0], "y_2": [6, None, 8, 10]}
    rows(**boxes).to_csv(folder / "t.csv", index=False)  # floats with an empty cell: 0.0, 5.0 in the file
    found = table.read(folder / "t.csv", "train")
    assert found.boxes() == [(0, 1, 5, 6), None, (3, 2, 9, 8), (1, 0, 20, 10)]
    assert table.find_faults(folder / "t.csv") == []


def test_extra_columns_and_absolute_paths_are_kept(folder: Path) -> None:
    frame = rows(path=[str(folder / f"images/{i}.png") for i in range(4)]).assign(price=[1.5, 2, 3, 4])
    found = table.read(frame, "train")
    assert found.frame["price"].tolist() == [1.5, 2, 3, 4]
    assert found.files()[0] == folder / "images/0.png"


def test_all_faults_come_at_once_with_row_column_value_and_remedy(folder: Path) -> None:
    (folder / "images/broken.png").write_bytes(b"no picture")
    frame = pd.DataFrame(
        [
            ["images/0.png", "", "train", "", ""],
            ["images/1.png", "a", "val", "", ""],
            ["gone.png", "a", "train", "", ""],
            ["images/2.png", "b", "validation", "", "maybe"],
            ["images/3.png", "b", "train", "true", ""],
            ["images/3.png", "b", "train", "", ""],
            ["images/broken.png", "b", "validation", "true", "true"],
            ["", "b", "validation", "false", "false"],
        ],
        columns=COLUMNS,
    )
    found = faults(folder, frame)
    assert [(row, column) for row, column, _ in found] == [
        (2, "label"), (3, "split"), (4, "path"), (5, "is_query"), (5, "is_gallery"), (6, "is_query"), (7, "path"),
        (8, "path"), (9, "path"), (9, "is_query"),
    ]  # fmt: skip
    remedies = "\n".join(remedy for _, _, remedy in found)
    for said in ("must be train or validation", "no such file", "must be true or false", "is empty; a validation row",
                 "must be empty on a train row", "twice", "not a picture", "the row would not be used"):  # fmt: skip
        assert said in remedies
    with pytest.raises(BadTable, match=r"t\.csv: 9 faults") as caught:
        table.read(folder / "t.csv", "train")
    assert len(caught.value.faults) == 9, "the picture that only its header shows broken is found when it is read"
    assert "row 3, column split: 'val': must be train or validation" in str(caught.value)


@pytest.mark.parametrize(("box", "said"), [
    ([1, 5, 2, None], "is empty while other sides of the box are not"), ([5, 5, 1, 2], "x_1 must be below x_2"),
    ([1, 5, 4, 2], "y_1 must be below y_2"), ([-1, 5, 1, 2], "whole number of pixels"), ([1.5, 5, 1, 2], "whole number of pixels"),
    (["a", 5, 1, 2], "whole number of pixels"), ([0, 21, 0, 10], "breaks 0 <= x_1 < x_2 <= 20"),
])  # fmt: skip
def test_faults_of_boxes(folder: Path, box: list[object], said: str) -> None:
    sides = {
        name: [value, 0 if name.endswith("1") else 5, None, None]
        for name, value in zip(("x_1", "x_2", "y_1", "y_2"), box, strict=True)
    }
    found = faults(folder, rows(**sides))
    assert {row for row, _, _ in found} == {2}
    assert any(said in remedy for _, _, remedy in found)


def test_a_box_needs_its_four_columns(folder: Path) -> None:
    assert faults(folder, rows(x_1=[1] * 4, x_2=[2] * 4)) == [
        (None, "x_1, x_2", "a box needs all of x_1, x_2, y_1, y_2; add y_1, y_2")
    ]


def test_missing_columns_are_named_with_a_near_one(folder: Path) -> None:
    found = faults(folder, rows().rename(columns={"label": "labels"}).drop(columns="is_gallery"))
    assert found == [(None, "label", "the column is missing; rename 'labels'"),
                     (None, "is_gallery", "the column is missing; the table has path, split, is_query, labels")]  # fmt: skip


def test_the_same_picture_with_another_box_is_no_fault(folder: Path) -> None:
    sides = {"x_1": [0, 5, 0, 0], "x_2": [5, 9, 5, 5], "y_1": [0] * 4, "y_2": [5] * 4}
    assert faults(folder, rows(path=["images/0.png", "images/0.png", "images/1.png", "images/2.png"], **sides)) == []


def test_a_split_without_rows_is_refused(folder: Path) -> None:
    rows(split=["validation"] * 4, is_query=[1] * 4, is_gallery=[1] * 4).to_csv(folder / "t.csv", index=False)
    with pytest.raises(BadTable, match="no row is train; at least one is needed to train"):
        table.read(folder / "t.csv", "train")
    assert len(table.read(folder / "t.csv", "evaluate")) == 4
    with pytest.raises(BadTable, match="no row is validation is_query"):
        table.read(rows(split=["train"] * 4, is_query=[""] * 4, is_gallery=[""] * 4), "evaluate", root=folder)


def test_what_is_no_table_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file or folder"):
        table.read(folder / "none.csv", "embed")
    (folder / "t.txt").touch()
    with pytest.raises(BadInput, match=r"a table is a .csv or .parquet file, not .txt"):
        table.read(folder / "t.txt", "embed")
    for content in (b"", b"a,b\n1,2,3\n4,5\n\x00", b"\xff\xfe\x00"):
        (folder / "t.csv").write_bytes(content)
        with pytest.raises(BadTable):
            table.read(folder / "t.csv", "embed")
    (folder / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadTable, match="cannot be read"):
        table.read(folder / "t.parquet", "embed")
    with pytest.raises(BadTable, match="has no rows"):
        table.read(pd.DataFrame({"path": []}), "embed")


def test_a_folder_with_a_sub_folder_per_label(tmp_path: Path) -> None:
    for label in range(10):
        for i in range(2):
            path = tmp_path / f"item{label}" / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (4, 4)).save(path)
    (tmp_path / "notes.txt").touch()
    embedded = table.read(tmp_path, "embed")
    assert embedded.frame["label"].tolist()[:3] == ["item0", "item0", "item1"]
    assert embedded.notices == (f"{tmp_path}: 1 files are no pictures and were passed over",)
    evaluated = table.read(tmp_path, "evaluate").frame
    assert evaluated["is_query"].all()
    assert evaluated["is_gallery"].all()
    trained = table.read(tmp_path, "train")
    split = trained.frame.groupby("label")["split"].unique().map(list)
    assert sum(found == ["validation"] for found in split) == 2
    assert all(len(found) == 1 for found in split), "a label lies in one split"
    assert "2 of 10 labels were set apart" in trained.notices[1]


def test_a_folder_with_train_and_validation(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / split / "shoe").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / split / "shoe" / "a.png")
    found = table.read(tmp_path, "train").frame
    assert found["split"].tolist() == ["train", "validation"]
    assert found["label"].tolist() == ["shoe", "shoe"]


def test_a_large_table_is_linted_quickly_enough_to_use(folder: Path) -> None:
    frame = pd.concat([rows()] * 5000, ignore_index=True)
    frame[["x_1", "x_2", "y_1", "y_2"]] = np.arange(len(frame))[:, None] % 9 + np.array([0, 1, 0, 1])
    assert len(table.read(frame.drop_duplicates(["path", "x_1"]), "train", root=folder)) == 36


def test_a_csv_with_another_separator_blank_lines_or_too_many_values(folder: Path) -> None:
    text = rows().to_csv(index=False)
    (folder / "t.csv").write_text(text.replace(",", ";"))
    found = table.read(folder / "t.csv", "train")
    assert found.frame.equals(table.read(rows(), "train", root=folder).frame)
    assert found.notices == (f"{folder / 't.csv'}: its columns are separated by ';' and are read so",)
    lines = text.splitlines()
    (folder / "t.csv").write_text("\n".join([*lines[:2], "", *lines[2:]]) + "\n")
    assert len(table.read(folder / "t.csv", "train")) == 4
    (folder / "t.csv").write_text("\n".join([*lines[:2], "", lines[2].replace("train", "tain"), *lines[3:]]) + "\n")
    assert [fault.row for fault in table.find_faults(folder / "t.csv")] == [4], "as the spreadsheet shows it"
    (folder / "t.csv").write_text("\n".join([lines[0], *(line + ",more" for line in lines[1:])]) + "\n")
    with pytest.raises(BadTable, match="cannot be read"):
        table.read(folder / "t.csv", "train")


def test_flags_are_checked_for_embedding_too_and_columns_stand_once(folder: Path) -> None:
    with pytest.raises(BadTable, match="must be true or false"):
        table.read(rows(is_query=["", "", "yes", "no"]), "embed", root=folder)
    twice = pd.concat([rows(), rows()[["label"]]], axis=1)
    with pytest.raises(BadTable, match="column label: '': the column stands in the table twice"):
        table.read(twice, "train", root=folder)
    with pytest.raises(BadTable, match="there is no such file"):
        table.read(rows(path=["x" * 300, *(f"images/{i}.png" for i in range(3))]), "embed", root=folder)


def test_a_folder_with_train_and_val(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / split / "shoe").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / split / "shoe" / "a.png")
    found = table.read(tmp_path, "train").frame
    assert sorted(found["split"]) == ["train", "validation", "validation"]
    assert set(found["label"]) == {"shoe"}


@pytest.mark.parametrize("other", ["./images/0.png", "images/../images/0.png", "absolute", "link.png"])
def test_one_picture_under_two_names_is_a_fault(folder: Path, other: str) -> None:
    (folder / "link.png").symlink_to("images/0.png")
    second = str(folder / "images/0.png") if other == "absolute" else other
    frame = rows(path=["images/0.png", "images/1.png", second, "images/2.png"])
    assert faults(folder, frame) == [
        (
            4,
            "path",
            "is the same picture as 'images/0.png' in row 2, with the same box: it would find itself; keep one row",
        )
    ]
    with pytest.raises(BadTable, match="it would find itself"):
        table.read(frame, "embed", root=folder)
    sides = {"x_1": [0, 0, 5, 0], "x_2": [5, 5, 9, 5], "y_1": [0] * 4, "y_2": [5] * 4}
    assert faults(folder, frame.assign(**sides)) == [], "other boxes are other pictures"
    written = {"x_1": ["0", "0", "00.0", "0"], "x_2": ["5", "5", "5.", "5"], "y_1": ["0"] * 4, "y_2": ["5"] * 4}
    assert len(faults(folder, frame.assign(**written))) == 1, "5 and 5. are one number"


def test_a_wrong_box_is_not_another_fault(folder: Path) -> None:
    sides = {
        "x_1": ["a", "b", "", "0"],
        "x_2": ["5", "5", "", "5"],
        "y_1": ["0", "0", "", "0"],
        "y_2": ["5", "5", "", "5"],
    }
    found = faults(folder, rows(path=["images/0.png"] * 3 + ["images/1.png"], **sides))
    assert [(row, column) for row, column, _ in found] == [(2, "x_1"), (3, "x_1")]


@pytest.mark.parametrize("side", ["1" + "0" * 30, "9" * 400, "4294967296", "inf", "-5", "0.5", "1e3", "٣", "９", "0x5"])
def test_a_side_that_is_no_number_of_pixels_is_a_fault(folder: Path, side: str) -> None:
    sides = {"x_1": ["0"] * 4, "x_2": [side, "5", "5", "5"], "y_1": ["0"] * 4, "y_2": ["5"] * 4}
    assert faults(folder, rows(**sides)) == [(2, "x_2", "must be a whole number of pixels from 0 to 999999999")]


def test_spaces_belong_to_a_path_and_not_to_a_label(folder: Path) -> None:
    for name in (" a.png", "a.png", "b.png "):
        Image.new("RGB", (4, 4)).save(folder / name, "PNG")
    read = table.read(
        rows(path=[" a.png", "a.png", "b.png ", "images/0.png"], label=[" x", "x ", "x", "y"]), "train", root=folder
    )
    assert [path.name for path in read.files()] == [" a.png", "a.png", "b.png ", "0.png"]
    assert read.frame["label"].tolist() == ["x", "x", "x", "y"]
    assert faults(folder, rows(path=[" a.png", "a.png", " images/0.png", "b.png"])) == [
        (4, "path", "there is no such file, but one without the spaces around the name; remove them"),
        (5, "path", f"there is no such file below {folder}"),
    ]


def test_a_row_whose_path_alone_is_empty_is_not_passed_over(folder: Path) -> None:
    frame = pd.DataFrame({"path": ["images/0.png", "", ""], "price": ["1", "2", ""]})
    frame.to_csv(folder / "t.csv", index=False)
    with pytest.raises(BadTable, match="1 fault\n  row 3, column path: '': is empty"):
        table.read(folder / "t.csv", "embed")


@pytest.mark.parametrize(
    "label",
    ['=cmd|" /C calc"!A0', "+1", "-1", "@SUM(A1)", "007", "NA", 'say "no"', "a, b", "two\nlines", "靴", "'=1", "1٣"],
)
def test_labels_come_back_exactly_from_a_csv(folder: Path, label: str) -> None:
    frame = table.read(rows(label=[label, "x", "y", "z"]), "train", root=folder).frame
    frame.to_csv(folder / "t.csv", index=False)
    again = table.read(folder / "t.csv", "embed").frame
    assert again["label"].tolist() == frame["label"].tolist() == [label, "x", "y", "z"]


def test_what_check_sees_of_pictures_is_said_once_with_the_first_name(folder: Path) -> None:
    for i in (1, 2):
        Image.fromarray(np.full((10, 20), 300, dtype=np.uint16)).save(folder / f"images/{i}.png")
    with pytest.warns(OmlzooWarning, match=r"^2 pictures have 16 bits .*the first: .*1\.png$"):
        assert faults(folder, rows()) == []

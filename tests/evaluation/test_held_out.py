"""A split holds whole labels out, and nothing that belongs together is parted, however it belongs together."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import omlzoo
from omlzoo.cli import main
from omlzoo.data import table as tables
from omlzoo.errors import BadInput, BadTable, OmlzooWarning, UnknownName
from omlzoo.models._extractor import Extractor


def picture(seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten labels of three different pictures; see ``table`` for what joins them."""
    for label in range(10):
        for view in range(3):
            picture(10 * label + view).save(tmp_path / f"{label}-{view}.png")
    (tmp_path / "3-0.png").write_bytes((tmp_path / "2-0.png").read_bytes())  # label 3 has a file of label 2
    picture(40).save(tmp_path / "5-0.jpg", quality=70)  # label 5 a near copy of a picture of label 4
    Image.new("RGB", (64, 64), "white").save(tmp_path / "9-2.png")
    return tmp_path


@pytest.fixture
def frame(folder: Path) -> pd.DataFrame:
    """Labels 0 and 1 share a sequence, 2 and 3 a file, 4 and 5 nearly a picture."""
    rows = [
        {"path": f"{label}-{view}.{'jpg' if (label, view) == (5, 0) else 'png'}", "label": label,
         "category": "even" if label % 2 == 0 else "odd", "taken": f"2024-01-{1 + 3 * label + view:02}",
         "sequence": "walk" if (label, view) in ((0, 0), (1, 0)) else f"s{label}-{view}"}
        for label in range(10) for view in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("seed", range(4))
def test_what_belongs_together_is_on_one_side(folder: Path, frame: pd.DataFrame, seed: int) -> None:
    found = omlzoo.split_table(frame, root=folder, validation=0.4, seed=seed)
    held = set(found.frame.loc[found.frame["split"] == "validation", "label"])
    for pair in ((0, 1), (2, 3), (4, 5)):
        assert len(held & set(pair)) in (0, 2), pair
    assert len(held) == 4
    assert (found.facts["values"], found.facts["groups"], found.facts["values joined"]) == (10, 7, 6)
    assert found.facts["found"] == {"sequences": 1, "equal files": 1, "near copies": 2}, "equal files are near ones too"
    assert found.facts["labels on both sides"] == 0
    assert set(found.facts["on both sides"].values()) == {0}
    assert found.facts["not compared"] == 1, "the white one"


def test_without_the_search_for_copies_equal_files_are_still_joined(folder: Path, frame: pd.DataFrame) -> None:
    facts = omlzoo.split_table(frame, root=folder, copies=False).facts
    assert (facts["groups"], facts["not compared"]) == (8, 30), "labels 4 and 5 are no longer joined"


def test_by_picture_labels_are_on_both_sides_and_that_is_counted(folder: Path, frame: pd.DataFrame) -> None:
    found = omlzoo.split_table(frame, root=folder, by="path", validation=0.5)
    sides = found.frame.groupby("label")["split"].nunique()
    assert found.facts["labels on both sides"] == (sides == 2).sum() > 0
    assert found.frame.loc[found.frame["path"].isin(["2-0.png", "3-0.png"]), "split"].nunique() == 1
    assert found.frame.loc[found.frame["path"].isin(["4-0.png", "5-0.jpg"]), "split"].nunique() == 1


def test_by_category_where_copies_join_all_of_them(folder: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(BadInput, match="all rows belong together"):
        omlzoo.split_table(frame, root=folder, by="category")
    alone = frame[frame["label"].isin([6, 7, 8, 9])]
    found = omlzoo.split_table(alone, root=folder, by="category", validation=0.5)
    assert found.frame.groupby("category")["split"].nunique().tolist() == [1, 1]


def test_by_time_training_sees_nothing_later(folder: Path, frame: pd.DataFrame) -> None:
    found = omlzoo.split_table(frame, root=folder, time="taken", since="2024-01-13")  # from label 4 on
    held = found.frame["split"] == "validation"
    assert set(found.frame.loc[held, "label"]) == {4, 5, 6, 7, 8, 9}
    assert found.facts["since"] == "2024-01-13T00:00:00Z"
    late = omlzoo.split_table(frame, root=folder, time="taken", since="2024-01-16")  # label 5, a copy of 4-0.png
    assert late.frame.loc[late.frame["split"] == "validation", "path"].iloc[0] == "4-0.png"
    assert late.facts["earlier rows held out"] == 1
    share = omlzoo.split_table(frame, root=folder, time="taken", validation=0.2)
    assert (share.frame["split"] == "validation").sum() == 6


def test_folds_hold_each_label_out_once(folder: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    found = omlzoo.split_table(frame, root=folder, folds=5, seed=3)
    held = [set(each.loc[each["split"] == "validation", "label"]) for each in map(found.fold, range(5))]
    assert sorted(label for fold in held for label in fold) == list(range(10))
    assert {len(fold) for fold in held} == {2}
    names = found.save(folder / "folds.csv")
    assert [name.name for name in names] == [f"folds-{number}.csv" for number in range(5)]
    for name, labels in zip(names, held, strict=True):
        rows = tables.read(name, "train").frame
        assert set(rows.loc[rows["split"] == "validation", "label"]) == labels
    with pytest.raises(BadInput, match="fold is 5; the split has 5 folds"):
        found.fold(5)


def test_the_command_writes_what_check_and_evaluate_take(
    folder: Path, frame: pd.DataFrame, model: Extractor, capsys: pytest.CaptureFixture[str]
) -> None:
    frame.assign(split="test", is_query="?").to_csv(folder / "all.csv", index=False)
    with pytest.warns(OmlzooWarning, match="the columns split, is_query are written by split"):
        split = omlzoo.split_table(folder / "all.csv", validation=0.4)
    split.save(folder / "again.csv")
    frame.to_csv(folder / "all.csv", index=False)
    assert main(["split", str(folder / "all.csv"), "-o", str(folder / "t.csv"), "--validation", "0.4"]) == 0
    said = capsys.readouterr().out
    assert "train 18 pictures of 6 labels, validation 12 pictures of 4 labels" in said
    assert "kept whole: 10 values of label in 7 groups; 6 are joined with others, 2 in the largest group" in said
    assert "on both sides: 0 labels, 0 sequences, 0 equal files, 0 near copies" in said
    assert "1 pictures were not compared by their look: they cannot be read or have nearly one colour" in said
    assert (folder / "t.csv").read_bytes() == (folder / "again.csv").read_bytes()
    assert main(["check", str(folder / "t.csv"), "--duplicates"]) == 0
    assert "0 of 12 validation pictures are also training pictures" in capsys.readouterr().out
    assert omlzoo.evaluate(model, folder / "t.csv", thorough=False).facts["queries"] == 12
    assert main(["split", str(folder / "all.csv"), "-o", str(folder / "sub/t.parquet"), "--time", "taken"]) == 0
    assert "held out: taken from 2024-01-25" in capsys.readouterr().out
    moved = tables.read(folder / "sub/t.parquet", "train")
    assert set(moved.frame["path"]) == {str(folder.resolve() / path) for path in frame["path"]}


def test_a_folder_is_split_by_its_labels(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number % 3}").mkdir(exist_ok=True)
        picture(number).save(tmp_path / f"{number % 3}" / f"{number}.png")
    found = omlzoo.split_table(tmp_path, validation=0.3)
    assert (found.frame["split"] == "validation").sum() == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 1.0}, "validation is 1.0; it is a share"),
        ({"alike": 2.0}, "alike is 2.0; it is a correlation"),
        ({"folds": 2, "time": "taken"}, "folds and time are given together"),
        ({"since": "2024-01-01"}, "since is given without time"),
        ({"time": "taken", "since": 3}, "since is 3, but taken has dates"),
        ({"time": "taken", "by": "path"}, "time is given together with by 'path'"),
        ({"folds": 100}, "folds is 100; it must be from 2 to 7"),
    ],
)
def test_options_that_break_a_rule(folder: Path, frame: pd.DataFrame, options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        omlzoo.split_table(frame, root=folder, **options)  # type: ignore[arg-type]


def test_bad_input_leaves_nothing_behind(folder: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    frame.to_csv(folder / "all.csv", index=False)
    before = sorted(folder.iterdir())
    table, out = str(folder / "all.csv"), str(folder / "t.csv")
    assert main(["split", table, "-o", table]) == 2
    assert "is the table that was read" in capsys.readouterr().err
    assert main(["split", table, "-o", str(folder / "t.txt")]) == 2
    assert "a table is a .csv or .parquet file" in capsys.readouterr().err
    assert main(["split", table, "-o", out, "--by", "colour"]) == 2
    assert "has no 'colour'" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before
    with pytest.raises(UnknownName, match="did you mean taken"):
        omlzoo.split_table(frame, root=folder, time="takn")
    with pytest.raises(BadInput, match="category is empty in 1 rows, the first number 4"):
        omlzoo.split_table(frame.assign(category=["x"] * 4 + [""] + ["y"] * 25), root=folder, by="category")
    with pytest.raises(BadTable, match="the column is missing"):
        omlzoo.split_table(frame.drop(columns="label"), root=folder)


def test_the_report_of_facts_is_plain(folder: Path, frame: pd.DataFrame) -> None:
    facts = omlzoo.split_table(frame, root=folder).facts
    assert json.loads(json.dumps(facts)) == facts

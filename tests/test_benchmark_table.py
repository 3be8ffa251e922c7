"""Tiny archives laid out as the official ones become tables that check without a fault."""

from pathlib import Path

import benchmark_table
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from omlzoo.data import table
from omlzoo.errors import BadInput


def picture(path: Path, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert("RGB").save(path)


def converted(benchmark: str, folder: Path, split: str = "labels") -> pd.DataFrame:
    out = benchmark_table.write(benchmark, folder, split)
    assert table.find_faults(out) == []
    return pd.read_csv(out)


@pytest.mark.parametrize("large", [True, False])
def test_inshop(tmp_path: Path, large: bool, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("WOMEN/Dresses/id_00000001/02_1_front.jpg", "id_00000001", "train"),
        ("WOMEN/Dresses/id_00000001/02_2_side.jpg", "id_00000001", "train"),
        ("MEN/Denim/id_00000002/01_1_front.jpg", "id_00000002", "train"),
        ("MEN/Denim/id_00000003/01_1_front.jpg", "id_00000003", "query"),
        ("MEN/Denim/id_00000003/01_2_side.jpg", "id_00000003", "gallery"),
    ]
    for path, _, _ in rows:
        picture(tmp_path / ("img_highres" if large else "img") / path)
    lines = ["5", "image_name item_id evaluation_status", *(f"img/{path}   {item} {side}" for path, item, side in rows)]
    (tmp_path / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    frame = converted("inshop", tmp_path)
    assert frame["label"].tolist() == [1, 1, 3, 3]
    assert frame["category"].tolist() == ["Dresses", "Dresses", "Denim", "Denim"]
    assert frame["is_query"].tolist()[2:] == [True, False]
    assert frame["is_gallery"].tolist()[2:] == [False, True]
    assert frame["path"][0].startswith("img_highres/" if large else "img/")
    assert "1 training pictures are the only ones of their label" in capsys.readouterr().err


def test_sop(tmp_path: Path) -> None:
    head = "image_id class_id super_class_id path"
    for name, first in (("Ebay_train.txt", 1), ("Ebay_test.txt", 11319)):
        lines = [f"{i + 1} {first + i // 2} 1 bicycle_final/{first + i // 2}_{i}.JPG" for i in range(4)]
        (tmp_path / name).write_text("\n".join([head, *lines]))
        for line in lines:
            picture((tmp_path / line.split()[3]).with_suffix(".JPG"))
    frame = converted("sop", tmp_path)
    assert frame["label"].tolist() == [1, 1, 2, 2, 11319, 11319, 11320, 11320]
    assert frame["split"].tolist() == ["train"] * 4 + ["validation"] * 4
    assert set(frame["category"]) == {"bicycle_final"}


@pytest.mark.parametrize(("split", "sides"), [
    ("labels", ["train", "train", "validation", "validation"]), ("official", ["train", "validation"] * 2),
])  # fmt: skip
def test_cub(tmp_path: Path, split: str, sides: list[str]) -> None:
    names = [f"{label:03d}.Bird/Bird_{number}.jpg" for label in (100, 101) for number in (1, 2)]
    for name in names:
        picture(tmp_path / "images" / name)
    texts = {
        "images.txt": [f"{i + 1} {name}" for i, name in enumerate(names)],
        "image_class_labels.txt": ["1 100", "2 100", "3 101", "4 101"],
        "train_test_split.txt": ["1 1", "2 0", "3 1", "4 0"],
        "bounding_boxes.txt": [f"{i + 1} 3.0 2.0 30.5 20.0" for i in range(4)],
    }
    for name, lines in texts.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    frame = converted("cub", tmp_path, split)
    assert frame["split"].tolist() == sides
    assert frame.loc[0, ["x_1", "y_1", "x_2", "y_2"]].tolist() == [3, 2, 33, 22]


@pytest.mark.parametrize(("split", "sides"), [
    ("labels", ["train", "validation", "train", "validation"]), ("official", ["train"] * 2 + ["validation"] * 2),
])  # fmt: skip
def test_cars(tmp_path: Path, split: str, sides: list[str]) -> None:
    scipy = pytest.importorskip("scipy.io", reason="scipy is not installed")
    kinds = [
        (name, object if name == "fname" else int)
        for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
    ]
    (tmp_path / "devkit").mkdir()
    for file, folder in (
        ("devkit/cars_train_annos.mat", "cars_train"),
        ("cars_test_annos_withlabels.mat", "cars_test"),
    ):
        rows = [(1, 1, 40, 30, 98, "00001.jpg"), (5, 6, 20, 25, 99, "00002.jpg")]
        for row in rows:
            picture(tmp_path / folder / row[5])
        scipy.savemat(tmp_path / file, {"annotations": np.array(rows, dtype=kinds)[None]})
    frame = converted("cars", tmp_path, split)
    assert frame["split"].tolist() == sides
    assert frame.loc[0, ["x_1", "y_1", "x_2", "y_2"]].tolist() == [0, 0, 40, 30], "the whole picture of 40 x 30"
    assert frame.loc[1, ["x_1", "y_1", "x_2", "y_2"]].tolist() == [4, 5, 20, 25]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"Ebay_train.txt: there is no such file; give the folder of the unpacked"):
        benchmark_table.write("sop", tmp_path)
    with pytest.raises(BadInput, match="inshop has only one split"):
        benchmark_table.write("inshop", tmp_path, "official")

"""The table of a benchmark from the folder of its official archive.

    python scripts/benchmark_table.py inshop DeepFashion_InShop       # writes inshop.csv into the folder
    python scripts/benchmark_table.py sop Stanford_Online_Products
    python scripts/benchmark_table.py cub CUB_200_2011 [--split official]
    python scripts/benchmark_table.py cars CARS196 [--split official]

CUB and Cars are made for classification: their official split has every label on both sides. Metric learning trains on
the first half of the labels and measures on the other (arXiv 1511.06452), which is the default here. Open Metric
Learning's figures come from the official split: ``--split official``.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from omlzoo.errors import BadInput, MissingExtra, OmlzooError

COLUMNS = ["path", "label", "split", "is_query", "is_gallery", "category", "x_1", "x_2", "y_1", "y_2"]


def inshop(folder: Path, split: str) -> pd.DataFrame:
    """Query and gallery as the authors fixed them; training labels with a single picture are left out and counted."""
    lines = _text(folder, "list_eval_partition.txt").splitlines()
    rows = [line.split() for line in lines[2:] if line.strip()]  # a count, then the header
    frame = pd.DataFrame(rows, columns=lines[1].split())
    large = (folder / "img_highres").is_dir()
    frame["path"] = frame["image_name"].str.replace("img/", "img_highres/", n=1) if large else frame["image_name"]
    frame["label"] = frame["item_id"].str.removeprefix("id_").astype(int)
    frame["category"] = frame["image_name"].str.split("/").str[-3]
    status = frame["evaluation_status"]
    frame["split"] = status.map({"train": "train", "query": "validation", "gallery": "validation"})
    shown = frame["split"] == "validation"
    frame["is_query"], frame["is_gallery"] = (status == "query").where(shown), (status == "gallery").where(shown)
    alone = ~shown & (frame.groupby("label")["path"].transform("size") == 1)
    if alone.any():
        print(
            f"{int(alone.sum())} training pictures are the only ones of their label and are left out", file=sys.stderr
        )
    return frame[~alone]


def sop(folder: Path, split: str) -> pd.DataFrame:
    """Labels of the test file are other ones than those of the training file."""
    parts = []
    for name, side in (("Ebay_train.txt", "train"), ("Ebay_test.txt", "validation")):
        lines = [line.split() for line in _text(folder, name).splitlines() if line.strip()]
        parts.append(pd.DataFrame(lines[1:], columns=lines[0]).assign(split=side))
    frame = pd.concat(parts, ignore_index=True)
    frame["label"] = frame["class_id"].astype(int)
    frame["category"] = frame["path"].str.split("/").str[0]
    return _each_against_all(frame)


def cub(folder: Path, split: str) -> pd.DataFrame:
    """Boxes are cut to whole pixels."""
    names = {
        "images.txt": ["id", "name"],
        "image_class_labels.txt": ["id", "label"],
        "train_test_split.txt": ["id", "train"],
        "bounding_boxes.txt": ["id", "x", "y", "width", "height"],
    }
    frame = pd.DataFrame()
    for name, columns in names.items():
        part = pd.DataFrame([line.split() for line in _text(folder, name).splitlines()], columns=columns)
        frame = part if frame.empty else frame.merge(part, on="id", validate="one_to_one")
    frame["path"], frame["label"] = "images/" + frame["name"], frame["label"].astype(int)
    sides = frame[["x", "y", "width", "height"]].astype(float)
    frame["x_1"], frame["y_1"] = sides["x"].astype(int), sides["y"].astype(int)
    frame["x_2"], frame["y_2"] = (sides["x"] + sides["width"]).astype(int), (sides["y"] + sides["height"]).astype(int)
    return _each_against_all(_split(frame, frame["train"] == "1", split, last=100))


def cars(folder: Path, split: str) -> pd.DataFrame:
    """Boxes count from 1 and include their last pixel in the archive; here from 0, without it."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtra("scipy", "benchmarks") from error
    rows: list[dict[str, Any]] = []
    for file, pictures in (
        ("devkit/cars_train_annos.mat", "cars_train"),
        ("cars_test_annos_withlabels.mat", "cars_test"),
    ):
        if not (folder / file).is_file():
            raise BadInput(f"{folder / file}: there is no such file; give the folder of the unpacked archive")
        rows += [
            {
                "path": f"{pictures}/{one['fname']}", "label": int(one["class"]), "train": pictures == "cars_train",
                "x_1": int(one["bbox_x1"]) - 1, "y_1": int(one["bbox_y1"]) - 1,
                "x_2": int(one["bbox_x2"]), "y_2": int(one["bbox_y2"]),
            }
            for one in loadmat(folder / file, squeeze_me=True)["annotations"].reshape(-1)
        ]  # fmt: skip
    frame = pd.DataFrame(rows)
    return _each_against_all(_split(frame, frame["train"], split, last=98))


BENCHMARKS: dict[str, Callable[[Path, str], pd.DataFrame]] = {"inshop": inshop, "sop": sop, "cub": cub, "cars": cars}


def _split(frame: pd.DataFrame, official: "pd.Series[bool]", split: str, last: int) -> pd.DataFrame:
    train = official if split == "official" else frame["label"] <= last
    return frame.assign(split=train.map({True: "train", False: "validation"}))


def _each_against_all(frame: pd.DataFrame) -> pd.DataFrame:
    shown = (frame["split"] == "validation").map({True: True, False: None})
    return frame.assign(is_query=shown, is_gallery=shown)


def _text(folder: Path, name: str) -> str:
    if not (folder / name).is_file():
        raise BadInput(f"{folder / name}: there is no such file; give the folder of the unpacked archive")
    return (folder / name).read_text()


def write(benchmark: str, folder: Path, split: str = "labels") -> Path:
    """Write the table into the folder; its paths are relative to it."""
    if benchmark in ("inshop", "sop") and split == "official":
        raise BadInput(f"split is official, but {benchmark} has only one split; leave it out")
    frame = BENCHMARKS[benchmark](folder, split)
    out = folder / f"{benchmark}.csv"
    frame[[column for column in COLUMNS if column in frame]].to_csv(out, index=False)
    counts = frame.groupby("split").agg(pictures=("path", "size"), labels=("label", "nunique"))
    print(
        f"{out}: "
        + ", ".join(f"{name} {row.pictures} pictures of {row.labels} labels" for name, row in counts.iterrows())
    )
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=["labels", "official"], default="labels")
    args = parser.parse_args()
    try:
        write(args.benchmark, args.folder, args.split)
    except OmlzooError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

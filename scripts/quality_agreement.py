"""What `omlzoo check --quality` finds among photos that were spoilt on purpose, beside cleanvision.

    pip install cleanvision
    python scripts/quality_agreement.py ../shared/data/grocery/grocery.csv

400 photos are drawn and copied as they are; of seven times 50 a spoilt copy is added. cleanvision has its defaults.
"""

import argparse
import contextlib
import io
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance, ImageFilter

from omlzoo.data.images import to_rgb
from omlzoo.data.quality import RULES, picture_quality
from omlzoo.data.table import Table, read

THEIRS = {
    "dark": "dark", "light": "light", "blurry": "blurry", "low information": "low_information", "odd size": "odd_size",
    "odd shape": "odd_aspect_ratio", "near copies": "near_duplicates",
}  # fmt: skip
EACH = 50


def of_levels(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def spoilt(image: Image.Image, kind: str, draw: np.random.Generator) -> Image.Image:
    levels, width, height = np.asarray(image, dtype=float), *image.size
    if kind == "dark":
        return of_levels(levels * draw.uniform(0.05, 0.2))
    if kind == "light":
        return of_levels(255 - (255 - levels) * draw.uniform(0.02, 0.06))
    if kind == "blurry":
        return image.filter(ImageFilter.GaussianBlur(draw.uniform(3, 8)))
    if kind == "low information":
        return of_levels(draw.normal(draw.integers(40, 200, 3), 0.8, (height, width, 3)))
    if kind == "odd size":
        factor = draw.choice([6, 0.2])
        return image.resize((int(width * factor), int(height * factor)))
    if kind == "odd shape":
        return image.crop((0, 0, width, height // 5))
    return ImageEnhance.Brightness(image.resize((width * 3 // 4, height * 3 // 4))).enhance(1.02)


def make(table: Table, folder: Path) -> tuple[Table, np.ndarray]:
    """A table of photos and spoilt ones in a folder, and what each is."""
    draw, kinds, paths = np.random.default_rng(0), [*RULES], []
    files = draw.permutation(np.array([str(file) for file in table.files()]))[:400]
    made = []
    for number, file in enumerate(files):
        image = to_rgb(Path(str(file)))
        pictures = [("clean", image)]
        if number < EACH * len(kinds):
            kind = kinds[number // EACH]
            pictures.append((kind, spoilt(image, kind, draw)))
        for what, picture in pictures:
            paths.append(f"{number:03d} {what}.jpg")
            picture.save(folder / paths[-1], quality=60 if what == "near copies" else 85)
            made.append(what)
    pd.DataFrame({"path": paths, "label": made, "split": "train"}).to_csv(folder / "t.csv", index=False)
    return read(folder / "t.csv", "check"), np.array(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table, made = make(read(given.table, "check"), Path(name))
        quality = picture_quality(table)
        files = [str(file) for file in table.files()]
        lab = import_module("cleanvision").Imagelab(filepaths=files)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            lab.find_issues(n_jobs=1, verbose=False)
        issues = lab.issues.loc[files]
    ours = {kind: np.isin(np.arange(len(made)), rows) for kind, rows in quality.issues.items()}
    ours["near copies"] = np.isin(np.arange(len(made)), np.concatenate([np.array([-1]), *quality.copies]))
    clean = made == "clean"
    print("| spoilt so | found, of 50 | cleanvision | of 400 photos | cleanvision | agree |\n|---|---|---|---|---|---|")
    for kind, theirs in THEIRS.items():
        one, other = ours[kind], issues[f"is_{theirs}_issue"].to_numpy()
        counts = [(flags & rows).sum() for rows in (made == kind, clean) for flags in (one, other)]
        print(f"| {kind} | {' | '.join(map(str, counts))} | {(one == other).mean():.3f} |")


if __name__ == "__main__":
    main()

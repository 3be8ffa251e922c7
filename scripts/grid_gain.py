"""What a grid gains where the thing that is looked for is a part of a picture: CMC@1 and @5 on boards of four photos.

    python scripts/grid_gain.py efficientnet_lite0_in1k ../shared/data/grocery/grocery_cross.csv

The gallery photos are drawn on boards, four on each, at random; each query photo is asked for, and a board is right
where it has a photo of the query's label.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import omlzoo
from omlzoo.data.images import to_rgb

SIDE = 160  # pixels of a photo on a board


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("table", type=Path)
    given = parser.parse_args()
    frame = pd.read_csv(given.table)
    roles = [frame[name].astype(str).str.lower() == "true" for name in ("is_query", "is_gallery")]
    asked, gallery = frame[roles[0]], frame[roles[1]].sample(frac=1, random_state=0)
    model = omlzoo.get_model(given.model)
    queries = omlzoo.embed(model, [given.table.parent / path for path in asked["path"]], progress=False)
    print("| rows of a picture | CMC@1 | CMC@5 | seconds to embed |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        labels = []
        for start in range(0, len(gallery) - 3, 4):
            board = Image.new("RGB", (2 * SIDE, 2 * SIDE))
            for place, path in enumerate(gallery["path"].iloc[start : start + 4]):
                photo = to_rgb(given.table.parent / path).resize((SIDE, SIDE))
                board.paste(photo, (SIDE * (place % 2), SIDE * (place // 2)))
            board.save(Path(name) / f"{start // 4:04d}.png")
            labels.append(gallery["label"].iloc[start : start + 4].to_numpy())
        for grid in (None, 2, 3):
            start_time = time.perf_counter()
            rows = omlzoo.embed(model, name, grid=grid, progress=False)
            seconds = time.perf_counter() - start_time
            hits = omlzoo.build_index(rows).search(queries.vectors, k=5, distinct="path")
            boards = rows.table["path"].str[:4].astype(int).to_numpy()[hits.ids]
            right = np.array([[label in labels[board] for board in row]
                              for label, row in zip(asked["label"], boards, strict=True)])  # fmt: skip
            whole = "whole" if grid is None else f"whole and {grid} x {grid}"
            print(f"| {whole} | {right[:, 0].mean():.3f} | {right.any(axis=1).mean():.3f} | {seconds:.0f} |")


if __name__ == "__main__":
    main()

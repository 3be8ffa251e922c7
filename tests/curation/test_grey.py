"""Small grey pictures have mean 0 and norm 1, and are missing where there is nothing to compare."""

from pathlib import Path

import numpy as np
from PIL import Image

from omlzoo.curation._grey import grey_levels


def test_levels_are_correlations(tmp_path: Path) -> None:
    draw = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    for name, levels in (("a", draw), ("b", draw // 2 + 20), ("white", np.full((32, 32), 255, np.uint8))):
        Image.fromarray(levels).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"x")
    files = [tmp_path / f"{name}.png" for name in ("a", "b", "white", "broken")]
    found = grey_levels(files, [None] * 4)
    assert np.isfinite(found[:, 0]).tolist() == [True, True, False, False]
    wanted = np.corrcoef(draw.ravel().astype(float), (draw // 2 + 20).ravel().astype(float))[0, 1]
    assert abs(float(found[0] @ found[1]) - wanted) < 1e-5

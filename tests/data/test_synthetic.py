"""The generated pictures are the same for the same seed, and a table that the lint accepts."""

from pathlib import Path

import numpy as np

from omlzoo.data import synthetic, table


def test_the_seed_decides(tmp_path: Path) -> None:
    one, two = (np.asarray(synthetic.draw_character((0, 1, 2), 3, 32)) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, np.asarray(synthetic.draw_character((0, 1, 2), 4, 32)))
    csv = synthetic.write_alphabets(tmp_path, alphabets=3, characters=2, drawers=2, size=24)
    assert table.find_faults(csv) == []
    rows = table.read(csv, "train").frame
    assert rows.groupby("split")["category"].nunique().to_dict() == {"train": 2, "validation": 1}

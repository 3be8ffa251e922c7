"""Without a rule equal labels say what is right."""

import numpy as np
import pandas as pd

from omlzoo.evaluation.right_rows import measured, own_ranking
from omlzoo.metrics._selection import select


def test_labels_say_it_by_default() -> None:
    vectors, labels = np.array([[0.0], [1.0], [3.0]], np.float32), [0, 1, 0]
    ranks: dict[str, list[int]] = {"cmc": [1], "precision": [], "map": [], "hits": [], "ndcg": []}
    found = measured(vectors, pd.DataFrame({"label": labels}), select(3, labels), ranks, None)
    assert list(found) == [""]
    assert own_ranking(found).values["cmc@1"].tolist() == [0.0, 0.0]

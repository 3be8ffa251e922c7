"""Below a picture stands its label, and its category where that says more."""

import pandas as pd

from omlzoo.evaluation.card_titles import card_titles


def test_the_category_is_there_where_it_says_more() -> None:
    assert card_titles(pd.DataFrame({"label": [7, 8]})) == ["7", "8"]
    frame = pd.DataFrame({"label": ["7", "boot", "9"], "category": ["shoe", "boot", None]})
    assert card_titles(frame) == ["7, shoe", "boot", "9"]

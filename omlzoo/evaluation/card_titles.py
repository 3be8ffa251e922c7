"""What stands below the picture of a row: its label, and its category where there is one."""

import pandas as pd

__all__ = ["card_titles"]


def card_titles(frame: pd.DataFrame) -> list[str]:
    """The title of each row's picture.

    Args:
        frame: Rows with the column "label", and perhaps "category".
    """
    labels = [str(label) for label in frame["label"]]
    if "category" not in frame:
        return labels
    categories = ["" if each is None or each != each else str(each) for each in frame["category"]]
    return [
        f"{label}, {category}" if category and category != label else label
        for label, category in zip(labels, categories, strict=True)
    ]

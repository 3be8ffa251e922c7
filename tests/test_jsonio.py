"""Whatever is written can be read, and text stays what it is."""

import json

import numpy as np

from omlzoo.jsonio import to_json


def test_numbers_and_text() -> None:
    value = {"a": float("nan"), "NaNcy": [np.float32(0.5), np.int64(3), float("inf")], "t": ("x",), "b": True}
    assert json.loads(to_json(value)) == {"a": None, "NaNcy": [0.5, 3, None], "t": ["x"], "b": True}

"""Whatever is written can be read, and text stays what it is."""

import json
import platform
from importlib.metadata import version

import numpy as np

import omlzoo
from omlzoo.jsonio import made_with, to_json


def test_numbers_and_text() -> None:
    value = {"a": float("nan"), "NaNcy": [np.float32(0.5), np.int64(3), float("inf")], "t": ("x",), "b": True}
    assert json.loads(to_json(value)) == {"a": None, "NaNcy": [0.5, 3, None], "t": ["x"], "b": True}


def test_what_made_it_is_named_with_its_version() -> None:
    found = made_with()
    assert found["omlzoo"] == omlzoo.__version__
    assert found["torch"] == version("torch")
    assert found["python"] == platform.python_version()
    assert {"timm", "numpy", "machine"} <= set(found)

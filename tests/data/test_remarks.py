"""What was seen of pictures is counted, and said once with the first name."""

import warnings

import pytest

from omlzoo.data.remarks import Remarks
from omlzoo.errors import OmlzooWarning


def test_each_kind_is_said_once_with_its_count_and_the_first_name() -> None:
    remarks = Remarks()
    for name in ("a.png", "b.png"):
        remarks.add("shallow", name)
    with pytest.warns(OmlzooWarning, match=r"^2 pictures have 16 bits and only .* the first: a\.png$"):
        remarks.say()
    remarks.add("shallow", "c.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        remarks.say()


def test_kinds_alone_have_no_name() -> None:
    remarks = Remarks()
    remarks.add("notes", "a.png")
    with pytest.warns(OmlzooWarning, match="^a picture has damaged EXIF notes; such pictures"):
        remarks.say_kinds()

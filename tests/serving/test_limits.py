"""A limit that is no number of its range is refused in one line that names it."""

import math
from dataclasses import fields
from typing import Any

import pytest

from omlzoo.errors import BadInput
from omlzoo.serving.limits import Limits

NAMES = [field.name for field in fields(Limits)]
COUNTS = [field.name for field in fields(Limits) if field.type is int]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 0, 1e300, 1e-300, 10**400, True, None, "20"])
def test_what_switches_a_limit_or_the_server_off_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadInput) as refusal:
        Limits(**{name: value})
    said = str(refusal.value)
    assert said.startswith(f"{name.replace('_', '-')} is ")
    assert "it must be a" in said
    assert "\n" not in said


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_whole(name: str) -> None:
    with pytest.raises(BadInput, match="an integer from 1"):
        Limits(**{name: 1.5})


def test_numbers_of_the_range_are_taken() -> None:
    assert {"megabytes", "megapixels", "decoded_megabytes", "per_second", "seconds"} == set(NAMES) - set(COUNTS)
    for name in NAMES:
        for value in (1, 10**9):
            assert getattr(Limits(**{name: value}), name) == value
    assert Limits(per_second=0.1).with_burst().burst == 1
    assert Limits(per_second=20).with_burst() == Limits(per_second=20, burst=60)
    assert Limits(per_second=1e9).with_burst().burst == 10**9

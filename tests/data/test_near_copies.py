"""Copies are found by the hash that one counts by hand, all of them, and joined to groups."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from omlzoo.data.near_copies import Trace, near_copies, trace_of


def photo(seed: int, size: int = 160) -> Image.Image:
    """Large soft blots."""
    levels = np.random.default_rng(seed).integers(0, 255, (6, 6)).astype(np.uint8)
    return Image.fromarray(levels).resize((size, size), Image.Resampling.BICUBIC)


def test_a_trace_says_whether_the_right_neighbour_is_brighter() -> None:
    rising = Image.fromarray(np.tile(np.arange(0, 90, 10, dtype=np.uint8), (8, 1)))
    assert trace_of(rising).bits == 2**64 - 1
    assert trace_of(Image.fromarray(np.asarray(rising)[:, ::-1].copy())).bits == 0
    by_two = Image.fromarray(np.tile(np.arange(0, 18, 2, dtype=np.uint8), (8, 1)))
    assert trace_of(by_two).bits == 0, "two levels may be compression"
    one = np.zeros((8, 9), dtype=np.uint8)
    one[0, 1] = 50  # the first of 64 places
    assert trace_of(Image.fromarray(one)).bits == 1 << 63
    assert trace_of(Image.new("L", (32, 64), 7)).small.tolist() == [7] * 256


def test_copies_by_size_compression_and_brightness_are_joined() -> None:
    pictures = [photo(0), photo(1), photo(0, 97), photo(2), ImageEnhance.Brightness(photo(0)).enhance(1.03)]
    assert [group.tolist() for group in near_copies([trace_of(one) for one in pictures])] == [[0, 2, 4]]
    assert near_copies([]) == []
    assert near_copies([trace_of(photo(3))]) == []


@pytest.mark.parametrize("count", [300])
def test_all_pairs_of_few_bits_are_found(count: int) -> None:
    draw = np.random.default_rng(0)
    small = np.zeros(256, dtype=np.uint8)
    bits = [int(draw.integers(0, 2**63)) for _ in range(count // 3)]
    for one in bits[: count // 3]:
        for _ in range(2):
            places = draw.choice(64, draw.integers(0, 6), replace=False)
            bits.append(one ^ sum(1 << int(place) for place in places))
    order = draw.permutation(len(bits))
    traces = [Trace(bits[row], small) for row in order]
    group = list(range(len(traces)))
    for one, other in combinations(range(len(traces)), 2):
        if (traces[one].bits ^ traces[other].bits).bit_count() <= 3:
            old, new = group[other], group[one]
            group = [new if each == old else each for each in group]
    wanted = {frozenset(row for row in range(len(traces)) if group[row] == each) for each in group}
    assert {frozenset(each.tolist()) for each in near_copies(traces)} == {each for each in wanted if len(each) > 1}


def test_alike_hashes_of_unlike_pictures_are_no_copies() -> None:
    dark, light = np.zeros(256, dtype=np.uint8), np.full(256, 9, dtype=np.uint8)
    assert near_copies([Trace(5, dark), Trace(5, light)]) == []
    assert [each.tolist() for each in near_copies([Trace(5, dark), Trace(5, light - 1)])] == [[0, 1]]

"""A part of a resized picture has the bytes of Pillow's whole one."""

import numpy as np
import pytest
from PIL import Image

from omlzoo.data import resize_part as module
from omlzoo.data.resize_part import held_pixels, resize_part

FILTERS = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]


@pytest.mark.parametrize("filtering", FILTERS)
@pytest.mark.parametrize("block", [40, 1000, 1 << 20])
def test_a_part_is_that_of_the_whole_for_drawn_sizes(
    filtering: Image.Resampling, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    drawn = np.random.default_rng(block)
    for _ in range(60):
        old, new = (tuple(int(side) for side in np.exp(drawn.uniform(0, 5, 2)) + 1) for _ in range(2))
        image = Image.fromarray(drawn.integers(0, 256, (old[1], old[0], 3), dtype=np.uint8))
        left, top = int(drawn.integers(new[0])), int(drawn.integers(new[1]))
        box = left, top, int(drawn.integers(left, new[0])) + 1, int(drawn.integers(top, new[1])) + 1
        whole = image.resize(new, filtering).crop(box)
        assert resize_part(image, new, box, filtering).tobytes() == whole.tobytes(), (old, new, box)


def test_what_is_held_is_the_larger_of_the_result_and_of_what_lies_between() -> None:
    assert held_pixels((40_000, 1), (10_240_000, 256)) == 10_240_000 * 256
    assert held_pixels((400, 300), (341, 256)) == max(341 * 256, 341 * 300)

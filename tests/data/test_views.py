"""Views: so many, of these sizes, decoded once, the same for the same seed, and as their set says."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from toys import PREPROCESS

from omlzoo.data.views import SETS, Views, shown
from omlzoo.errors import BadInput, UnknownName


def picture(side: int = 80) -> Image.Image:
    gray = torch.linspace(0, 255, side).byte()
    pixels = torch.stack(
        [gray.expand(side, side), gray.flip(0).expand(side, side), gray[:, None].expand(side, side)], 2
    )
    return Image.fromarray(pixels.numpy())


@pytest.mark.parametrize("name", SETS)
def test_views_have_their_number_and_size_and_follow_the_seed(name: str) -> None:
    views = Views(replace(PREPROCESS, crop=(64, 64), resize=(64, 64)), name, globals=2, locals=3)
    torch.manual_seed(3)
    first = views(picture())
    assert len(first) == len(views) == 5
    assert [tuple(view.shape) for view in first] == [(3, 64, 64)] * 2 + [(3, *views.local_size)] * 3
    assert all(view.dtype == torch.uint8 for view in first)
    assert not torch.equal(first[0], first[1])
    torch.manual_seed(3)
    assert all(torch.equal(one, other) for one, other in zip(first, views(picture()), strict=True))
    torch.manual_seed(4)
    assert not torch.equal(first[0], views(picture())[0])


def test_sizes_of_small_views_are_those_of_the_papers_at_224_pixels() -> None:
    assert Views(replace(PREPROCESS, crop=(224, 224), resize=(256, 256)), locals=1).local_size == (96, 96)
    assert Views(PREPROCESS, locals=1).local_size == (8, 8)  # 13 of 32, in steps of 8


def test_mild_views_keep_colours_and_drawings_are_neither_mirrored_nor_coloured() -> None:
    red = Image.new("RGB", (60, 60), (250, 10, 10))
    torch.manual_seed(0)
    for _ in range(20):
        for view in Views(PREPROCESS, "mild")(red):
            assert view[0].float().mean() > 150 > view[1:].float().mean() * 2
    half = Image.new("RGB", (64, 64), "white")
    half.paste((0, 0, 0), (0, 0, 20, 64))  # ink at the left
    for _ in range(20):
        for view in Views(PREPROCESS, "drawing")(half):
            assert view[:, :, :8].float().mean() < view[:, :, -8:].float().mean()
            assert torch.equal(view[0], view[1])


def test_the_second_view_alone_is_solarized() -> None:
    white = Image.new("RGB", (60, 60), "white")
    views = Views(PREPROCESS, "byol", globals=2)
    torch.manual_seed(0)
    drawn = [views(white) for _ in range(60)]
    dark = [sum(float(pair[place].float().mean()) < 40 for pair in drawn) for place in (0, 1)]
    assert dark[0] == 0
    assert 3 <= dark[1] <= 25  # a fifth of sixty is twelve


def test_a_picture_is_decoded_large_enough_for_its_smallest_crops() -> None:
    assert Views(PREPROCESS, "simclr").needed_side == 114  # 32 / sqrt(0.08) is 113.1
    assert Views(PREPROCESS, "mild").needed_side == 72  # 32 / sqrt(0.2) is 71.6
    assert Views(PREPROCESS, "drawing").needed_side == 72  # twice the 36 pixels of the resizing


def test_odd_settings_are_refused() -> None:
    with pytest.raises(UnknownName, match="milt"):
        Views(PREPROCESS, "milt")
    for numbers in ({"globals": 0}, {"locals": -1}):
        with pytest.raises(BadInput, match="1 or more views of the whole"):
            Views(PREPROCESS, **numbers)  # type: ignore[arg-type]


def test_views_are_shown_as_pictures() -> None:
    (image,) = shown([torch.full((3, 5, 7), 9, dtype=torch.uint8)])
    assert image.size == (7, 5)
    assert image.getpixel((0, 0)) == (9, 9, 9)

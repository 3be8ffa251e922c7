"""Facts that compute: preprocessing at another size."""

import pytest

from omlzoo.checkpoints import manifest
from omlzoo.errors import BadInput


@pytest.mark.parametrize(
    ("size", "resize", "crop"),
    [(224, (256, 256), (224, 224)), (288, (329, 329), (288, 288)), ((288, 352), (329, 402), (288, 352))],
)
def test_another_size_keeps_the_ratio_of_resize_to_crop(
    size: int | tuple[int, int], resize: tuple[int, int], crop: tuple[int, int]
) -> None:
    scaled = manifest.find("vits16_dino").preprocess.scaled(size)
    assert (scaled.resize, scaled.crop) == (resize, crop)


@pytest.mark.parametrize("size", [0, -3, (224,), (224, 224, 3), (224, 0)])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(BadInput, match="image_size is"):
        manifest.find("vits16_dino").preprocess.scaled(size)  # type: ignore[arg-type]

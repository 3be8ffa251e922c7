"""Our transform is torchvision's, bit for bit, where torchvision has one; else it follows a loop one can read."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from places import DATA
from torchvision import transforms as tv

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.transforms import Transform, to_pixels
from omlzoo.errors import BadImage

SIZES = [(333, 500), (500, 333), (64, 64), (224, 224), (257, 1001), (30, 301)]
COVER = manifest.find("vits16_dino").preprocess


def picture(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng((height, width)).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("mode", ["cover", "squash"])
def test_equals_torchvision(size: tuple[int, int], interpolation: str, mode: str) -> None:
    preprocess = replace(COVER, interpolation=interpolation, mode=mode)
    resize: int | list[int] = 256 if mode == "cover" else [256, 256]
    theirs = tv.Compose([
        tv.Resize(resize, tv.InterpolationMode(interpolation)), tv.CenterCrop(224), tv.ToTensor(),
        tv.Normalize(preprocess.mean, preprocess.std),
    ])  # fmt: skip
    assert torch.equal(Transform(preprocess)(picture(*size)), theirs(picture(*size)))


@pytest.mark.parametrize("size", SIZES)
def test_another_size_covers_and_crops_the_middle(size: tuple[int, int]) -> None:
    found = Transform(COVER.scaled((96, 160)))(picture(*size))
    assert found.shape == (3, 96, 160)
    resized = Transform(COVER.scaled((96, 160))).resize(picture(*size))
    assert resized.height >= 110
    assert resized.width >= 183
    assert resized.height == 110 or resized.width == 183


@pytest.mark.parametrize(
    ("size", "inside", "offset"), [((333, 500), (149, 224), (37, 0)), ((500, 333), (224, 149), (0, 37))]
)
def test_contain_pads_with_white_around_the_middle(
    size: tuple[int, int], inside: tuple[int, int], offset: tuple[int, int]
) -> None:
    # 333 x 500 becomes 149 x 224 in rows 37 to 185: read off Open Metric Learning 4.0.0 with OpenCV 4.11.
    preprocess = manifest.find("vits16_cub").preprocess
    pixels = Transform(preprocess).pixels(Image.new("RGB", (size[1], size[0])))
    black = (pixels == 0).all(dim=0)
    rows, columns = black.any(dim=1).nonzero(), black.any(dim=0).nonzero()
    assert (int(rows.min()), int(columns.min())) == offset
    assert (len(rows), len(columns)) == inside
    assert (pixels[:, ~black] == 255).all()


def test_without_antialias_follows_the_loop() -> None:
    preprocess = Preprocess((4, 4), "squash", (4, 4), "bilinear", False, None, mean=(0, 0, 0), std=(1, 1, 1))
    image = picture(10, 14)
    levels = np.asarray(image).astype(float)

    def at(row: float, column: float) -> np.ndarray:
        top, left = int(np.floor(row)), int(np.floor(column))
        down, right = row - top, column - left
        upper = (1 - right) * levels[top, left] + right * levels[top, left + 1]
        return (1 - down) * upper + down * ((1 - right) * levels[top + 1, left] + right * levels[top + 1, left + 1])

    for i in range(4):
        for j in range(4):
            wanted = at((i + 0.5) * 10 / 4 - 0.5, (j + 0.5) * 14 / 4 - 0.5)
            found = Transform(preprocess).pixels(image)[:, i, j].numpy()
            assert np.abs(found - wanted).max() <= 0.51


@pytest.mark.parametrize("name", manifest.names())
def test_every_checkpoint_transforms_every_mode(name: str) -> None:
    entry = manifest.find(name)
    for preprocess in filter(None, (entry.preprocess, entry.preprocess_oml)):
        for mode in ("RGB", "L", "1", "RGBA"):
            found = Transform(preprocess)(picture(61, 83).convert(mode))
            assert found.shape == (3, *preprocess.crop)
            assert torch.isfinite(found).all()


OML = json.loads((DATA / "oml_transforms.json").read_text())["transforms"]


def waves(height: int, width: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    levels = np.stack([(rows * 3 + columns) % 256, (rows + 2 * columns) % 251, (rows * columns // 64) % 256], axis=2)
    return Image.fromarray(levels.astype(np.uint8))


@pytest.mark.parametrize("name", sorted(set(OML) & set(manifest.names())))
def test_the_oml_variant_equals_omls_own(name: str) -> None:
    # Values read off Open Metric Learning itself. Where it resizes by OpenCV, whose arithmetic has 11 bits, a level of 255 may differ.
    transform = omlzoo.get_weights(name).transforms(variant="oml")
    tolerance = 1e-6 if OML[name]["reader"] == "imread_pillow" else 1.01 / 255 / min(transform.preprocess.std)
    for size, theirs in OML[name]["values"].items():
        height, width = map(int, size.split("x"))
        found = transform(waves(height, width))
        assert list(found.shape) == theirs["shape"]
        at = [found.shape[-1] * k // 7 - (k == 7) for k in range(8)]
        wanted = torch.tensor(theirs["grid"]).view(3, 8, 8)
        assert float((found[:, at][:, :, at] - wanted).abs().max()) <= tolerance
        assert float(found.double().mean()) == pytest.approx(theirs["mean"], abs=max(tolerance / 10, 1e-5))


def test_every_name_of_omls_zoo_is_ours() -> None:
    assert sorted(set(OML) - set(manifest.names())) == []


@pytest.mark.parametrize("size", [(1, 900), (900, 1), (3, 400), (400, 3), (70, 60), (30, 31)])
@pytest.mark.parametrize("mode", ["cover", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_part_that_is_kept_is_that_of_the_whole(
    size: tuple[int, int], mode: str, interpolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = Transform(replace(COVER, mode=mode, interpolation=interpolation).scaled((40, 56)))
    image = picture(*size)
    whole = transform.pixels(image)
    assert torch.equal(whole, to_pixels(transform.crop(transform.resize(image))))
    monkeypatch.setattr("omlzoo.data.transforms.LARGE", 0)
    assert torch.equal(transform.pixels(image), whole)


@pytest.mark.parametrize("size", [(40_000, 1), (1, 40_000), (2_000_000, 3), (3, 2_000_000)])
def test_a_long_and_narrow_picture_takes_little_memory(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 10, 10))
    tracemalloc.start()
    found = Transform(COVER).pixels(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000
    assert (found == torch.tensor([200, 10, 10]).view(3, 1, 1)).all()


def test_without_antialias_a_long_and_narrow_picture_is_refused() -> None:
    with pytest.raises(BadImage, match="40000 x 1 pixels are too long and narrow"):
        Transform(replace(COVER, antialias=False)).pixels(Image.new("RGB", (40_000, 1)))

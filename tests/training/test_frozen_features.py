"""What frozen stages give is kept in a file and is what they would give now."""

from pathlib import Path

import torch
from torch import Tensor

from omlzoo.data import table as tables
from omlzoo.data.augmentations import augmentation
from omlzoo.data.dataset import ImageTable
from omlzoo.models._extractor import Extractor
from omlzoo.training.frozen_features import FrozenFeatures


def test_kept_features_are_those_of_the_stages(drawn: Path, model: Extractor, tmp_path: Path) -> None:
    rows = tables.read(drawn, "train")
    pictures = ImageTable(rows, augmentation("none", model.entry.preprocess))

    def stages(pixels: Tensor) -> Tensor:
        return pixels.float().mean(dim=(2, 3))

    kept = FrozenFeatures(pictures, 1, tmp_path / "kept", seed=0)
    kept.fill(stages, workers=0, progress=False)
    features, code, row, error = kept[(5, 123)]
    pixels, wanted_code, _, _ = pictures[(5, 0)]
    assert features is not None
    assert pixels is not None
    assert torch.allclose(features, stages(pixels[None])[0])
    assert (code, row, error) == (wanted_code, 5, "")
    assert len(kept) == len(pictures)

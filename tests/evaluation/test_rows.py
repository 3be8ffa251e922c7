"""Datasets and archives are evaluated as the same pictures in a table are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset
from toys import toy

import omlzoo
from omlzoo.embedding.options import ComputeOptions
from omlzoo.errors import BadInput
from omlzoo.evaluation.rows import embed_validation
from tests.data.test_containers import write_zip

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 40, 40, 3), np.uint8)
LABELS = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.filterwarnings("ignore::omlzoo.errors.OmlzooWarning")
def test_a_dataset_and_an_archive_as_a_table(tmp_path: Path) -> None:
    for number, pixels in enumerate(PIXELS):
        (tmp_path / str(LABELS[number])).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / str(LABELS[number]) / f"{number:02}.png")
    model = toy("resnet_toy")
    files = sorted(tmp_path.glob("*/*.png"))
    table = pd.DataFrame({"path": files, "label": LABELS, "split": "validation", "is_query": True, "is_gallery": True})
    expected = omlzoo.evaluate(model, table, thorough=False).metrics
    names = {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}
    for source in (TensorDataset(torch.from_numpy(PIXELS), torch.tensor(LABELS)),
                   write_zip(tmp_path / "a.zip", names)):  # fmt: skip
        found = omlzoo.evaluate(model, source, thorough=False).metrics
        assert found == pytest.approx(expected, nan_ok=True)


def test_without_labels_there_is_nothing_to_measure() -> None:
    for source in (PIXELS, iter(PIXELS)):
        with pytest.raises(BadInput, match="has no labels; give pairs of picture and label"):
            embed_validation(toy("resnet_toy"), source, None, None, ComputeOptions(), False)

"""Queries of any kind become vectors that can be compared with those of the record, or are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import omlzoo
from omlzoo.asking import Asker, pictures_in
from omlzoo.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.extractor import Extractor


@pytest.fixture
def embeddings(drawn: Path, model: Extractor, tmp_path: Path) -> Embeddings:
    model.save(tmp_path / "model")
    return omlzoo.embed(omlzoo.get_model(str(tmp_path / "model"), normalize=True), drawn, progress=False)


def test_vectors_tensors_and_pictures(embeddings: Embeddings, drawn: Path) -> None:
    asker = Asker(embeddings.record)
    wanted = embeddings.vectors[:2]
    for given in (wanted * 3, torch.from_numpy(wanted), [drawn.parent / path for path in embeddings.table["path"][:2]]):
        assert np.allclose(asker.embedded(given).vectors, wanted, atol=1e-5)
    assert asker.model() is asker.model()
    picture = Image.new("RGB", (40, 40))
    assert pictures_in(picture) == {0: picture}
    assert pictures_in(["a.jpg", picture]) == {1: picture}


def test_other_vectors_are_refused(embeddings: Embeddings) -> None:
    with pytest.raises(BadInput, match=r"vectors have the shape \(3,\)"):
        Asker(embeddings.record).embedded(np.zeros(3))

"""A whitening makes all directions equal, travels with the model, and computes everywhere the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor


@pytest.fixture
def embeddings(drawn: Path, model: Extractor) -> Embeddings:
    return omlzoo.embed(model, drawn, progress=False, precision="fp32")


def with_vectors(embeddings: Embeddings, vectors: np.ndarray) -> Embeddings:
    frame = embeddings.table.iloc[np.arange(len(vectors)) % len(embeddings)].reset_index(drop=True)
    return Embeddings(vectors.astype(np.float32), frame, replace(embeddings.record, dim=vectors.shape[1]))


@pytest.mark.parametrize("dim", [1, 3, 8])
def test_the_learned_vectors_have_no_correlation_and_variance_one(embeddings: Embeddings, dim: int) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 8)) @ random.normal(size=(8, 8)) + 5
    projection = omlzoo.whiten(with_vectors(embeddings, vectors), dim)
    found = vectors.astype(np.float32) @ projection.weight.numpy().T + projection.bias.numpy()
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T).reshape(dim, dim), np.eye(dim), atol=1e-4)
    variances = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1]
    kept = np.linalg.norm(projection.weight.numpy(), axis=1) ** -2.0
    np.testing.assert_allclose(kept, variances[:dim], rtol=1e-4), "the directions of most variance, in order"


def test_rows_with_errors_are_left_out(embeddings: Embeddings) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 4))
    clean = with_vectors(embeddings, vectors)
    broken = with_vectors(embeddings, np.vstack([vectors, np.full((1, 4), np.nan)]))
    broken.table.loc[50, "error"] = "broken"
    assert torch.equal(omlzoo.whiten(broken, 2).weight, omlzoo.whiten(clean, 2).weight)


@pytest.mark.parametrize("dim", [0, -1, 65, 1.5, True, None])
def test_odd_dimensions_are_refused(embeddings: Embeddings, dim: object) -> None:
    with pytest.raises(BadInput, match="dim is"):
        omlzoo.whiten(embeddings, dim)  # type: ignore[arg-type]


def test_more_directions_than_there_are_is_refused(embeddings: Embeddings) -> None:
    with pytest.raises(BadInput, match="3 vectors vary in 2 directions only"):
        omlzoo.whiten(with_vectors(embeddings, np.random.default_rng(0).normal(size=(3, 8))), 3)
    with pytest.raises(BadInput, match="vary in 0 directions only"):
        omlzoo.whiten(with_vectors(embeddings, np.ones((9, 4))), 1)


@pytest.mark.parametrize("normalize", [True, False])
def test_it_is_saved_opened_searched_and_exported_with_the_model(tmp_path: Path, drawn: Path, normalize: bool) -> None:
    model = toy("resnet_toy", normalize=normalize)
    learned = omlzoo.embed(model, drawn, progress=False, precision="fp32")
    projection = omlzoo.whiten(learned, 6)
    whitened = model.with_projection(projection)
    wanted = learned.vectors @ projection.weight.numpy().T + projection.bias.numpy()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = omlzoo.embed(whitened, drawn, progress=False, precision="fp32")
    np.testing.assert_allclose(found.vectors, wanted, atol=1e-4)
    assert found.record.sha256 != learned.record.sha256, "they are other weights"
    whitened.save(tmp_path / "whitened")
    opened = omlzoo.get_model(tmp_path / "whitened")
    again = omlzoo.embed(opened, drawn, progress=False, precision="fp32")
    np.testing.assert_allclose(again.vectors, wanted, atol=1e-4)
    omlzoo.build_index(again).save(tmp_path / "index")
    path = drawn.parent / again.table["path"][3]
    assert omlzoo.open_index(tmp_path / "index").search([path], k=1).ids[0, 0] == 3
    omlzoo.export(opened, tmp_path / "whitened.pt")
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(
            torch.jit.load(tmp_path / "whitened.pt")(images), opened(images), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(opened.onward(opened.until(images, 1), 1), opened(images), atol=1e-4, rtol=1e-4)


def test_another_dimension_and_a_second_projection_are_refused(embeddings: Embeddings, model: Extractor) -> None:
    projection = omlzoo.whiten(embeddings, 4)
    whitened = model.with_projection(projection)
    with pytest.raises(BadInput, match="the projection takes 64 numbers and .* gives 4"):
        whitened.with_projection(projection)
    with pytest.raises(BadInput, match="has a projection already"):
        whitened.with_projection(
            omlzoo.whiten(with_vectors(embeddings, np.random.default_rng(0).normal(size=(9, 4))), 2)
        )

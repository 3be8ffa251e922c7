"""A kept engine gives what its file computes, row by row, and is found only where it computes the very vectors."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import record
from PIL import Image
from toys import toy_entry

from omlzoo.checkpoints.engine_files import engine_file
from omlzoo.data.images import DECODER
from omlzoo.data.picture_list import list_table
from omlzoo.embedding.columns import NOT_FINITE
from omlzoo.embedding.kept_engine import FEW, KeptEngine
from omlzoo.embedding.record import Record
from omlzoo.errors import OmlzooWarning

RECORD = replace(record(3), normalized=False, root="/elsewhere", rows="0" * 64, decoder=1)
MEAN, STD = toy_entry().preprocess.mean, toy_entry().preprocess.std


class Means:
    """A model whose vector is the mean of each colour, times a factor, as a session of ONNX Runtime gives it."""

    def __init__(self, factor: float = 1) -> None:
        self.factor = factor

    def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [inputs["images"].mean(axis=(2, 3)) * np.float32(self.factor)]


def one_colour(*levels: int) -> Image.Image:
    return Image.new("RGB", (50, 40), levels)  # type: ignore[arg-type]


def test_a_vector_is_the_models_of_the_preprocessed_picture(tmp_path: Path) -> None:
    one_colour(255, 0, 51).save(tmp_path / "b.png")
    table, pictures = list_table([one_colour(0, 102, 255), tmp_path / "b.png"], Path())
    found = KeptEngine(RECORD, Means()).embed(table, pictures)
    wanted = [
        [(level / 255 - MEAN[i]) / STD[i] for i, level in enumerate(each)] for each in ((0, 102, 255), (255, 0, 51))
    ]
    np.testing.assert_allclose(found.vectors, wanted, rtol=1e-6)
    assert found.table["path"].tolist() == ["image 0", str(tmp_path / "b.png")]
    assert found.record == replace(RECORD, root=str(Path().resolve()), decoder=DECODER)


def test_shorter_vectors_are_cut_and_normalised_again() -> None:
    short = replace(RECORD, dim=2, full_dim=3, normalized=True)
    found = KeptEngine(short, Means()).embed(*list_table([one_colour(255, 0, 51)], Path()))
    np.testing.assert_allclose(found.vectors, [[0.5**0.5, -(0.5**0.5)]], rtol=1e-6)


def test_pictures_without_a_vector_have_an_error_and_spoil_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    table, pictures = list_table([tmp_path / "a.png", one_colour(0, 0, 0)], Path())
    with pytest.warns(OmlzooWarning, match=r"1 of 2 pictures could not be read"):
        found = KeptEngine(RECORD, Means()).embed(table, pictures)
    assert found.good.tolist() == [False, True]
    assert np.isnan(found.vectors[0]).all()
    with pytest.warns(OmlzooWarning, match=NOT_FINITE):
        assert not KeptEngine(RECORD, Means(float("inf"))).embed(*list_table([one_colour(0, 0, 0)], Path())).good.any()


def keep_means(model: Record) -> Path:
    """Keep a file that ONNX Runtime opens, as that of the model of a record."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shapes = {"images": ["batch", 3, 32, 32], "embeddings": ["batch", 3]}
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["images"], ["embeddings"], axes=[2, 3], keepdims=0)], "means",
        [helper.make_tensor_value_info("images", kind, shapes["images"])],
        [helper.make_tensor_value_info("embeddings", kind, shapes["embeddings"])],
    )  # fmt: skip
    path = engine_file(model.model, model.sha256, model.preprocessing().crop, model.normalized, "facts")
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_only_the_very_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path))
    path = keep_means(RECORD)
    assert KeptEngine.of(RECORD, 1) is None, "torch is imported already"
    monkeypatch.delitem(sys.modules, "torch")
    engine = KeptEngine.of(RECORD, FEW)
    assert engine is not None
    table, pictures = list_table([one_colour(255, 0, 51)], Path())
    wanted = KeptEngine(RECORD, Means()).embed(table, pictures).vectors
    np.testing.assert_allclose(engine.embed(table, pictures).vectors, wanted, rtol=1e-5)
    wider: dict[str, Any] = {**asdict(toy_entry().preprocess), "crop": [32, 36]}
    others = (
        {"sha256": "1" * 64},
        {"model": "other"},
        {"normalized": True},
        {"precision": "bf16"},
        {"preprocess": wider},
    )
    for other in others:
        assert KeptEngine.of(replace(RECORD, **other), 1) is None, other
    assert KeptEngine.of(RECORD, FEW + 1) is None
    path.write_bytes(b"damaged")
    with pytest.warns(OmlzooWarning, match=r"cannot be used .* torch computes in its place; remove that file"):
        assert KeptEngine.of(RECORD, 1) is None

"""Calibration: rows are drawn as one can count, what int8 changes is measured by a loop, and much of it is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data.table import read
from omlzoo.embedding import int8_calibration
from omlzoo.embedding.engines._int8_file import int8_digest, int8_file
from omlzoo.embedding.int8_calibration import calibrate_int8, first_hits
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.record import Record
from omlzoo.errors import BadInput, OmlzooWarning


def test_first_hits_are_those_of_a_loop() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(30, 4)).astype(np.float32)
    labels = random.choice(["a", "b", "c", ""], 30)
    labels[0] = "alone"
    right = []
    for row in range(30):
        if labels[row] == "" or (labels == labels[row]).sum() < 2:
            continue
        away = [np.inf if other == row else np.linalg.norm(vectors[row] - vectors[other]) for other in range(30)]
        right.append(labels[int(np.argmin(away))] == labels[row])
    assert first_hits(vectors, labels) == pytest.approx(np.mean(right))
    assert np.isnan(first_hits(vectors, np.full(30, "")))


@pytest.mark.parametrize(("count", "each"), [(16, 8), (640, 320), (10_000, 320)])
def test_rows_to_calibrate_on_and_to_measure_with_are_others_and_come_in_runs(count: int, each: int) -> None:
    parts = int8_calibration._taken(count)
    assert [(parts == part).sum() for part in (0, 1)] == [each, each]
    assert all(len(set(run)) == 1 for run in parts.reshape(-1, 4))


def test_what_changes_vectors_much_is_refused() -> None:
    exact = np.array([[3.0, 0.0], [0.0, 3.0], [-3.0, 0.0], [0.0, -3.0]], np.float32)
    labels = np.array(["a", "a", "b", "b"])
    said = int8_calibration._checked(exact, exact, labels)
    assert said.startswith("its vectors have a cosine of 1.0000 to float32's, cmc@1 ")
    assert "cmc" not in int8_calibration._checked(exact, exact, np.full(4, ""))
    with pytest.raises(BadInput, match=r"int8 changes this model too much: .* at least 0.99 and .* bf16 or fp32"):
        int8_calibration._checked(exact, exact[[1, 2, 3, 0]], labels)
    near = np.array([[0.0], [1.0], [3.0], [4.0]], np.float32)
    moved = np.array([[0.0], [2.1], [3.0], [4.0]], np.float32)  # the two in the middle are now nearest to each other
    assert (first_hits(near, labels), first_hits(moved, labels)) == (1, 0.5)
    with pytest.raises(BadInput, match=r"cmc@1 1.0000 in float32 and 0.5000 in int8"):
        int8_calibration._checked(near, moved, labels)


def test_few_pictures_calibrate_nothing(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("openvino")
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path))
    table = read(drawn, "embed")
    few = table.rows(np.arange(len(table)) < 40)
    with pytest.raises(BadInput, match="has 40, 64 are needed that can be read"):
        calibrate_int8(toy("vit_toy"), few, ComputeOptions())
    assert not list(tmp_path.rglob("model.*"))


def test_int8_is_by_openvino_and_a_record_says_by_which_model() -> None:
    with pytest.raises(BadInput, match="precision int8 is computed by runtime openvino, not torch"):
        ComputeOptions(precision="int8")
    record = omlzoo.embed(toy("vit_toy"), Image.new("RGB", (40, 40)), progress=False).record
    for changes in ({"precision": "int8"}, {"calibrated": "0" * 64}, {"precision": "int8", "calibrated": "x"}):
        with pytest.raises(BadInput, match="int8 alone has one"):
            Record(**{**record.__dict__, **changes}).to_json()
    int8 = Record(**{**record.__dict__, "precision": "int8", "calibrated": "0" * 64})
    assert Record.from_json(int8.to_json()) == int8


@pytest.mark.slow
def test_it_is_calibrated_once_kept_and_used_for_queries(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("openvino")
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    toy("resnet_toy").save(tmp_path / "m")
    model = omlzoo.get_model(tmp_path / "m")
    rows = read(drawn, "embed").frame
    rows = rows.assign(path=[str(drawn.parent / path) for path in rows["path"]])
    with pytest.raises(BadInput, match="int8 changes this model too much"):  # its weights are random
        omlzoo.embed_shards(model, rows[:100], tmp_path / "v", precision="int8", runtime="openvino")
    assert not (tmp_path / "v").exists()
    assert int8_digest(int8_file(model)) is None
    monkeypatch.setattr(int8_calibration, "COSINE", 0.9)
    monkeypatch.setattr(int8_calibration, "LOSS", 1)
    with pytest.warns(OmlzooWarning, match=r"int8 was calibrated on 52 pictures; on 48 others .* cosine of 0\.9"):
        shards = omlzoo.embed_shards(model, rows[:100], tmp_path / "v", precision="int8", runtime="openvino")
    found = omlzoo.embed_shards(model, rows, tmp_path / "v").load()  # goes on as it began
    assert shards.record == found.record
    assert found.record.precision == "int8"
    index = omlzoo.build_index(found)
    paths = pd.Series(rows["path"][:5]).tolist()
    assert np.allclose(index.search(paths, k=1).distances, 0, atol=1e-3)
    int8_file(model).unlink()
    with pytest.raises(BadInput, match="no int8 model of m is in"):
        omlzoo.embed_shards(model, rows, tmp_path / "v")
    again = omlzoo.build_index(found)
    with pytest.warns(OmlzooWarning, match="queries are computed in float32"):
        again.search(paths, k=1)

"""omlzoo migrate, and the thresholds that are found again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import toy

import omlzoo
from omlzoo.cli import main
from omlzoo.cli.migrate_command import targets_of
from omlzoo.models._extractor import Extractor

pytestmark = pytest.mark.filterwarnings("ignore:.*too few for the fit")


def test_it_migrates_compares_and_calibrates_anew(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    pytest.importorskip("scipy")
    model.save(tmp_path / "a")
    toy("vit_toy").save(tmp_path / "b")
    embeddings = omlzoo.embed(tmp_path / "a", drawn, progress=False)
    calibration = omlzoo.calibrate(
        embeddings, far=(0.1, 0.05), frr=(0.2,), beta=(2,), unknown=(0.1,), names={"half": 0.1}, prior=0.3
    )
    plain = replace(embeddings, table=embeddings.table.drop(columns=["split", "is_query", "is_gallery"]))
    omlzoo.build_index(plain, calibration=calibration).save(tmp_path / "old")
    assert main(["migrate", str(tmp_path / "old"), "--to", str(tmp_path / "b"), "-o", str(tmp_path / "new")]) == 0
    said = capsys.readouterr()
    assert f"{tmp_path / 'new'}: {len(embeddings)} rows, exact, euclidean, calibrated, by {tmp_path / 'b'}" in said.out
    assert f"those of {tmp_path / 'a'}, on {len(embeddings)} rows of its own" in said.out
    assert "is redone on all rows with a label" in said.err
    index = omlzoo.open_index(tmp_path / "new")
    assert {"far=0.1", "far=0.05", "frr=0.2", "f2", "unknown=0.1", "half"} <= {
        point.name for point in index.calibration.cut_points
    }
    assert index.calibration.sha256 == index.embeddings.record.sha256
    assert index.search(
        embeddings.table["path"][:1].map(lambda path: str(Path(embeddings.record.root, path))).tolist(),
        threshold="far=0.1",
    ).is_known.all()
    assert main(["migrate", str(tmp_path / "old"), "--to", str(tmp_path / "b"), "-o", str(tmp_path / "new")]) == 2
    assert "holds an index; give another name" in capsys.readouterr().err


def test_the_targets_are_those_that_were_asked_for(drawn: Path, model: Extractor) -> None:
    pytest.importorskip("scipy")
    embeddings = omlzoo.embed(model, drawn, progress=False)
    asked = {
        "far": [0.1, 0.05],
        "frr": [0.2],
        "beta": [2.0, 0.5],
        "unknown": [0.1],
        "names": {"half": 0.1},
        "prior": 0.3,
    }
    assert targets_of(omlzoo.calibrate(embeddings, **asked)) == asked


def test_where_no_calibration_can_be_made_that_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    pytest.importorskip("scipy")
    model.save(tmp_path / "a")
    toy("vit_toy").save(tmp_path / "b")
    embeddings = omlzoo.embed(tmp_path / "a", drawn, progress=False)
    calibration = omlzoo.calibrate(embeddings, far=(0.1,), frr=(0.2,), unknown=(0.1,))
    few = embeddings.rows(np.arange(len(embeddings)) < 3)
    omlzoo.build_index(few, calibration=calibration).save(tmp_path / "old")
    assert main(["migrate", str(tmp_path / "old"), "--to", str(tmp_path / "b"), "-o", str(tmp_path / "new")]) == 0
    said = capsys.readouterr()
    assert "could not be redone" in said.err
    assert "not calibrated" in said.out
    assert json.loads((tmp_path / "new/index.json").read_text())["calibration"] is None

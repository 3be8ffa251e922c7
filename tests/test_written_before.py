"""What the version before the new layout wrote is read: tests/support/data/written_before was written by commit 3aaa7e2."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import DATA

import omlzoo
from omlzoo.errors import BadEntry, BadInput
from omlzoo.training import Run
from omlzoo.training.run_folder import read_run


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "written_before", tmp_path / "old"))


def test_embeddings_in_every_form(old: Path) -> None:
    table = pd.read_csv(old / "table.csv")
    held = table["path"].tolist()
    whole = omlzoo.load_embeddings(old / "embeddings.parquet")
    assert whole.table["path"].tolist() == held
    assert whole.good.all()
    for name in ("int8.parquet", "shards"):
        other = omlzoo.load_embeddings(old / name)
        assert other.table["path"].tolist() == held
        assert np.allclose(other.vectors, whole.vectors, atol=0.02)


def test_an_index_answers_as_it_did(old: Path) -> None:
    index = omlzoo.open_index(old / "index")
    hits = index.search(index.embeddings.vectors, k=1)
    assert hits.ids[:, 0].tolist() == list(range(12))


def test_a_model_and_a_run_folder_open(old: Path) -> None:
    model = omlzoo.get_model(old / "model")
    embeddings = omlzoo.embed(model, old / "table.csv", progress=False)
    assert np.allclose(embeddings.vectors, omlzoo.load_embeddings(old / "embeddings.parquet").vectors, atol=1e-5)
    run = read_run(old / "run")
    assert isinstance(run, Run)
    assert run.model().dim == model.dim
    assert run.report.metrics == json.loads((old / "run/report.json").read_text())["metrics"]
    assert len(run.history) == 1


def test_a_run_that_was_not_finished_is_refused_in_one_line(old: Path) -> None:
    settings = {"epochs": 3, "n_labels": 2, "n_instances": 2, "selection": 0.0, "augment": "none", "log": "none"}
    with pytest.raises(
        BadInput, match=r"last.ckpt was saved by another version of omlzoo; begin the run again"
    ) as error:
        omlzoo.finetune(
            old / "model", old / "table.csv", out=old / "killed", resume=True, workers=0, save_minutes=0.0,
            progress=False, **settings,
        )  # fmt: skip
    assert "\n" not in str(error.value)


def test_an_entry_written_before_has_the_facts_that_came_later(old: Path) -> None:
    raw = json.loads((old / "model/entry.json").read_text())
    assert "pin" not in raw
    raw["upstream"] = {"url": "https://example.org/x.pth", "hash": None, "layout": "timm_vit"}
    (old / "model/entry.json").write_text(json.dumps(raw))
    entry = omlzoo.get_weights(old / "model").entry
    assert entry.upstream is not None
    assert (entry.pin, entry.upstream.pin) == (None, None)
    (old / "model/entry.json").write_text(json.dumps(raw | {"pinn": None}))
    with pytest.raises(BadEntry, match="unknown pinn"):
        omlzoo.get_weights(old / "model")

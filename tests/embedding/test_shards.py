"""A folder of embeddings grows, forgets, and is whole after any kill: no row twice, none missing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from toys import PREPROCESS, toy

import omlzoo
from omlzoo.embedding import extraction
from omlzoo.embedding.record import Record
from omlzoo.embedding.shards import Shards
from omlzoo.errors import BadInput, BadTable, OmlzooWarning
from omlzoo.models._extractor import Extractor


@pytest.fixture
def saved(tmp_path: Path, model: Extractor) -> str:
    model.save(tmp_path / "m")
    return str(tmp_path / "m")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(6):
        Image.effect_noise((40, 40), 20 + 30 * i).convert("RGB").save(folder / f"{i}.png")
    return folder


def by_path(embeddings: omlzoo.Embeddings) -> dict[str, list[float]]:
    names = [Path(path).name for path in embeddings.table["path"]]
    assert len(set(names)) == len(names)
    return dict(zip(names, embeddings.vectors.round(4).tolist(), strict=True))


def test_new_pictures_are_added_changed_ones_replaced_and_the_rest_not_computed(
    saved: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    decode = extraction.Pipeline.decode
    monkeypatch.setattr(
        extraction.Pipeline, "decode",
        lambda self, jobs: (computed.extend(path.name for path, _ in jobs), decode(self, jobs))[1],
    )  # fmt: skip
    out = tmp_path / "vectors"
    assert len(omlzoo.embed_shards(saved, photos, out)) == 6
    assert sorted(computed) == [f"{i}.png" for i in range(6)]
    computed.clear()
    assert len(omlzoo.embed_shards(saved, photos, out)) == 6
    assert computed == []
    Image.effect_noise((40, 40), 99).convert("RGB").save(photos / "new.png")
    Image.effect_noise((40, 41), 77).convert("RGB").save(photos / "2.png")
    (photos / "4.png").unlink()
    with pytest.warns(OmlzooWarning, match="1 pictures are not in .*photos any more; removed"):
        shards = omlzoo.embed_shards(saved, photos, out, prune=True)
    assert sorted(computed) == ["2.png", "new.png"]
    assert by_path(omlzoo.load_embeddings(out)) == by_path(omlzoo.embed(saved, photos))
    assert shards.remove(["0.png"]) == 1
    assert len(shards) == 5
    assert "0.png" not in by_path(shards.load())
    omlzoo.embed_shards(saved, photos, out)  # what was taken out by hand returns with the source that has it
    assert len(shards) == 6
    assert omlzoo.build_index(omlzoo.load_embeddings(out)).size == 6


@pytest.mark.parametrize("form", ["float16", "int8"])
def test_smaller_forms(form: str, saved: str, photos: Path, tmp_path: Path) -> None:
    omlzoo.embed_shards(saved, photos, tmp_path / "v", form=form)  # type: ignore[arg-type]
    found, wanted = omlzoo.load_embeddings(tmp_path / "v"), omlzoo.embed(saved, photos)
    assert found.record == wanted.record
    most = np.abs(wanted.vectors).max()
    assert 0 < np.abs(found.vectors - wanted.vectors).max() < most / 250


def test_broken_pictures_have_a_row_and_are_tried_again_once_they_change(
    saved: str, photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "v"
    with pytest.warns(OmlzooWarning, match="1 of 7 pictures could not be read"):
        omlzoo.embed_shards(saved, photos, out)
    found = omlzoo.load_embeddings(out)
    assert found.good.sum() == 6
    assert "not a picture" in found.table.set_index("path")["error"]["bad.png"]
    omlzoo.embed_shards(saved, photos, out)  # the same bytes: not tried again, and not said again
    Image.new("RGB", (40, 40)).save(photos / "bad.png")
    omlzoo.embed_shards(saved, photos, out)
    assert omlzoo.load_embeddings(out).good.all()


def test_two_sources_and_boxes(saved: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "v"
    omlzoo.embed_shards(saved, photos, out)
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (50, 50), "red").save(other / "0.png")
    omlzoo.embed_shards(saved, other, out)
    boxes = pd.DataFrame({"path": ["0.png", "0.png"], "x_1": [0, 5], "x_2": [30, 40], "y_1": [0, 5], "y_2": [30, 40]})
    omlzoo.embed_shards(saved, boxes, out, root=photos)
    omlzoo.embed_shards(saved, boxes, out, root=photos)
    found = omlzoo.load_embeddings(out)
    assert len(found) == 9
    files = [Path(found.record.root) / path for path in found.table["path"]]
    assert all(file.is_file() for file in files)
    assert found.table["x_2"].dropna().tolist() == [30, 40]
    assert np.allclose(found.vectors[7:], omlzoo.embed(saved, boxes, root=photos).vectors, atol=1e-5)


def test_other_settings_other_folders_and_damage_are_refused(saved: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "v"
    omlzoo.embed_shards(saved, photos, out)
    with pytest.raises(BadInput, match=r"v has vectors of other settings \(precision\); give another name"):
        omlzoo.embed_shards(saved, photos, out, precision="bf16")
    with pytest.raises(BadInput, match=r"photos exists and holds something else"):
        omlzoo.embed_shards(saved, photos, photos)
    with pytest.raises(BadInput, match=r"has no shards.json; give a folder that"):
        omlzoo.load_embeddings(photos)
    with pytest.raises(BadInput, match="form is 'int4'"):
        omlzoo.embed_shards(saved, photos, tmp_path / "w", form="int4")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="has vectors as float32, not int8"):
        omlzoo.embed_shards(saved, photos, out, form="int8")
    with Shards.open(out).lock(), pytest.raises(BadInput, match="is being written by another process"):
        omlzoo.embed_shards(saved, photos, out)
    (out / "shards.json").write_text("{")
    with pytest.raises(BadInput, match=r"shards.json: damaged"):
        omlzoo.load_embeddings(out)


def test_other_labels_of_the_same_pictures_are_taken_without_computing(
    saved: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(6)], "label": [1, 1, 2, 2, 3, 3], "note": ["a"] * 6})
    out = tmp_path / "v"
    omlzoo.embed_shards(saved, table, out, root=photos)
    vectors = by_path(omlzoo.load_embeddings(out))
    monkeypatch.setattr(extraction.Pipeline, "decode", None)
    omlzoo.embed_shards(saved, table, out, root=photos)
    with pytest.warns(OmlzooWarning, match="2 pictures that were there have other values in .* now"):
        omlzoo.embed_shards(saved, table.assign(label=[1, 1, 2, 9, 3, 8]), out, root=photos)
    found = omlzoo.load_embeddings(out)
    assert found.table.set_index("path")["label"].to_dict() == {f"{i}.png": [1, 1, 2, 9, 3, 8][i] for i in range(6)}
    assert by_path(found) == vectors


def test_labels_of_two_kinds_become_text_and_missing_ones_stay_missing(
    saved: str, photos: Path, tmp_path: Path
) -> None:
    def table(rows: list[int], **columns: object) -> pd.DataFrame:
        return pd.DataFrame({"path": [f"{i}.png" for i in rows], **columns})

    omlzoo.embed_shards(saved, table([0, 1], label=[1, 2]), tmp_path / "v", root=photos)
    omlzoo.embed_shards(saved, table([2, 3], label=["boot", "shoe"]), tmp_path / "v", root=photos)
    found = omlzoo.load_embeddings(tmp_path / "v")
    assert found.table["label"].tolist() == ["1", "2", "boot", "shoe"]
    found.save(tmp_path / "e.parquet")
    omlzoo.embed_shards(saved, table([0, 1]), tmp_path / "w", root=photos)
    omlzoo.embed_shards(saved, table([2, 3], label=[7, 8]), tmp_path / "w", root=photos)
    found = omlzoo.load_embeddings(tmp_path / "w")
    assert found.table["label"].isna().tolist() == [True, True, False, False]
    hits = omlzoo.build_index(found).search(found.vectors[:1], where={"label": 7})
    assert hits.ids[0, 0] == 2


def test_smaller_forms_of_unit_vectors_are_unit_vectors_again(photos: Path, tmp_path: Path) -> None:
    found = omlzoo.embed(toy("vit_toy", normalize=True), photos)
    for form in ("float16", "int8"):
        found.save(tmp_path / "e.parquet", form)  # type: ignore[arg-type]
        assert np.abs(np.linalg.norm(omlzoo.load_embeddings(tmp_path / "e.parquet").vectors, axis=1) - 1).max() < 1e-5


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    record = Record("m", "0" * 64, 2, json.loads(json.dumps(asdict(PREPROCESS))), False, "fp32", "")
    with pytest.raises(BadInput, match="has no rows yet"):
        Shards.open(tmp_path / "v", record).load()


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_at_any_moment_nothing_is_doubled_or_skipped(
    after: int, saved: str, drawn: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, time, omlzoo\nfrom omlzoo.embedding import pipeline, shard_writer\nshard_writer.ROWS = 16\n"
        "decode = pipeline.Pipeline.decode\n"
        "def slow(self, jobs):\n    time.sleep(0.02)\n    return decode(self, jobs)\n"
        "pipeline.Pipeline.decode = slow\n"
        f"omlzoo.embed_shards({saved!r}, {str(drawn)!r}, {str(tmp_path / 'v')!r}, batch_size=4, workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "v").glob("0*.parquet"))) < after and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(Shards.open(tmp_path / "v"))
    assert kept >= 16 * after
    assert kept % 16 == 0
    assert len(omlzoo.embed_shards(saved, drawn, tmp_path / "v")) == 160
    found, wanted = omlzoo.load_embeddings(tmp_path / "v"), omlzoo.embed(saved, drawn)
    assert sorted(found.table["path"]) == sorted(wanted.table["path"])
    order = [found.table["path"].tolist().index(path) for path in wanted.table["path"]]
    assert np.allclose(found.vectors[order], wanted.vectors, atol=1e-5)
    assert not [path.name for path in (tmp_path / "v").iterdir() if path.name.endswith(".part")]


@pytest.mark.filterwarnings("ignore:1 pictures that were there have other values")
def test_a_picture_is_one_under_each_of_its_names(saved: str, photos: Path, tmp_path: Path) -> None:
    """In one table a second row of it is a fault; of a later run, the row that it has then counts."""
    (photos / "sub").mkdir()
    for number, name in enumerate(["0.png", "./0.png", str(photos / "0.png"), "sub/../0.png"]):
        table = pd.DataFrame({"path": [name, "1.png"], "label": [f"a{number}", "b"]})
        omlzoo.embed_shards(saved, table, tmp_path / "v", root=photos)
        found = omlzoo.load_embeddings(tmp_path / "v")
        assert sorted(found.table["label"]) == [f"a{number}", "b"]
    with pytest.raises(BadTable, match=r"'./0.png': is the same picture as '0.png' in row 0"):
        omlzoo.embed_shards(saved, pd.DataFrame({"path": ["0.png", "./0.png"]}), tmp_path / "v", root=photos)


COLUMNS = {
    "vector_scale": ["a", "b", "c", "d", "e", "f"], "file_size": [6, 5, 4, 3, 2, 1], "file_changed_ns": [0.5, None, 1, 2, 3, 4],
    "whole": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"), "when": pd.date_range("2020", periods=6, tz="Europe/Berlin"),
    "kind": pd.Categorical(list("aabbcc")), "half": np.arange(6, dtype=np.float32) / 7, "yes": [True, False] * 3, 7: range(6),
    "tags": [["a"], [], ["b"], [], [], ["c", "d"]], "span": pd.to_timedelta(range(6), unit="ns"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_a_users_column_stays_and_runs_over_an_unchanged_table_write_nothing(
    name: str | int, saved: str, photos: Path, tmp_path: Path
) -> None:
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(6)], name: COLUMNS[name]})
    for _ in range(3):
        shards = omlzoo.embed_shards(saved, table, tmp_path / "v", root=photos)
    assert len(shards.files()) == 1
    kept = omlzoo.load_embeddings(tmp_path / "v").table[str(name)]
    if name == "tags":
        assert [list(tags) for tags in kept] == COLUMNS["tags"]
    else:
        pd.testing.assert_series_equal(kept, table[name], check_names=False)


def test_rows_without_finite_numbers_are_not_tried_again(photos: Path, tmp_path: Path) -> None:
    model = toy("resnet_toy")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.warns(OmlzooWarning, match="6 of 6 pictures have no vector, the first: .*not finite; that is every"):
        omlzoo.embed_shards(model, photos, tmp_path / "v")
    assert not omlzoo.embed_shards(model, photos, tmp_path / "v").load().good.any()


def test_a_folder_of_an_earlier_version_grows(saved: str, photos: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(6)], "file_size": list("abcdef")})
    shards = omlzoo.embed_shards(saved, table, tmp_path / "v", root=photos)
    path = shards.files()[0]
    now = pq.read_table(path).drop_columns(["file_size"])
    old = {"omlzoo:file_size": "file_size", "omlzoo:file_changed_ns": "file_changed_ns"}
    before = now.rename_columns([old.get(name, name) for name in now.column_names])
    pq.write_table(before.replace_schema_metadata(now.schema.metadata), path)
    with pytest.warns(OmlzooWarning, match="6 pictures that were there have other values"):
        omlzoo.embed_shards(saved, table, tmp_path / "v", root=photos)
    assert len(omlzoo.embed_shards(saved, table, tmp_path / "v", root=photos).files()) == 2
    assert omlzoo.load_embeddings(tmp_path / "v").table["file_size"].tolist() == list("abcdef")

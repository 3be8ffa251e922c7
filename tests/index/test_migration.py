"""A migration: the new index is that of a whole run, however often it was stopped, and the old one serves meanwhile."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings
from toys import toy

import omlzoo
from omlzoo.embedding import shard_writer
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.index.migration import common_neighbours, migrate
from omlzoo.models._extractor import Extractor

GOES_ON = "ignore:.*embedded by an earlier run, which goes on"


@pytest.fixture
def models(tmp_path: Path, model: Extractor) -> tuple[Path, Path]:
    """Folders of the old model and the new one."""
    model.save(tmp_path / "old_model")
    toy("vit_toy").save(tmp_path / "new_model")
    return tmp_path / "old_model", tmp_path / "new_model"


@pytest.fixture
def old(tmp_path: Path, models: tuple[Path, Path], drawn: Path) -> Path:
    """An index of 40 pictures, three of which were removed."""
    shutil.copytree(drawn.parent, tmp_path / "pictures")
    embeddings = omlzoo.embed(models[0], tmp_path / "pictures" / "alphabets.csv", progress=False)
    index = omlzoo.build_index(embeddings.rows(np.arange(len(embeddings)) < 40))
    index.remove(np.arange(3))
    index.save(tmp_path / "old")
    return tmp_path / "old"


def whole(models: tuple[Path, Path], old: Path) -> Any:
    """The vectors of the new model for the pictures that the old index has."""
    index = omlzoo.open_index(old)
    left = index.embeddings.rows(index.embeddings.good)
    return omlzoo.embed(models[1], left.table.drop(columns="error"), root=left.record.root, progress=False)


def test_the_new_index_is_that_of_the_pictures_that_are_left(
    models: tuple[Path, Path], old: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    done = migrate(old, models[1], tmp_path / "new", progress=False)
    opened, wanted = omlzoo.open_index(tmp_path / "new"), whole(models, old)
    assert opened.size == 37
    assert opened.embeddings.record.model == str(models[1])
    assert np.allclose(opened.embeddings.vectors, wanted.vectors, atol=1e-6)
    assert opened.embeddings.table["label"].tolist() == wanted.table["label"].tolist()
    assert (done.k, done.queries, done.lost) == (10, 37, 0)
    assert 0 <= done.common < 1
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert not (tmp_path / "new.parts").exists()


@pytest.mark.filterwarnings(GOES_ON)
def test_a_run_that_was_stopped_goes_on(
    models: tuple[Path, Path], old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "ROWS", 10)
    part, parts = shard_writer.embed_part, []

    def stopped(*given: Any, **more: Any) -> Any:
        parts.append(given)
        if len(parts) == 3:
            raise KeyboardInterrupt
        return part(*given, **more)

    monkeypatch.setattr(shard_writer, "embed_part", stopped)
    with pytest.raises(KeyboardInterrupt):
        migrate(old, models[1], tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()
    assert omlzoo.open_index(old).size == 37, "the old one serves"
    with pytest.warns(OmlzooWarning, match="20 of 37 pictures were embedded by an earlier run, which goes on"):
        migrate(old, models[1], tmp_path / "new", progress=False)
    assert len(parts) == 5
    assert np.allclose(omlzoo.open_index(tmp_path / "new").embeddings.vectors, whole(models, old).vectors, atol=1e-6)


@pytest.mark.filterwarnings(GOES_ON)
def test_rows_that_come_meanwhile_are_embedded_too(
    models: tuple[Path, Path], old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, added = shard_writer.embed_part, []

    def meanwhile(*given: Any, **more: Any) -> Any:
        if not added:
            index = omlzoo.open_index(old)
            every = omlzoo.embed(models[0], tmp_path / "pictures" / "alphabets.csv", progress=False)
            added.append(index.add(every.rows(np.isin(np.arange(len(every)), [50, 51]))))
            index.save(old)
        return part(*given, **more)

    monkeypatch.setattr(shard_writer, "embed_part", meanwhile)
    with pytest.warns(OmlzooWarning, match="was saved anew meanwhile"):
        done = migrate(old, models[1], tmp_path / "new", progress=False)
    assert done.index.size == 39


def test_in_its_own_folder_the_new_index_takes_the_place_of_the_old(
    models: tuple[Path, Path], old: Path, tmp_path: Path
) -> None:
    serving = omlzoo.open_index(old)
    query = serving.embeddings.vectors[5:6]
    with pytest.raises(BadInput, match="holds an index; give another name, or overwrite"):
        migrate(old, models[1], old, progress=False)
    migrate(old, models[1], old, overwrite=True, progress=False)
    assert serving.search(query, k=1).ids.tolist() == [[5]], "whoever has it open goes on"
    assert omlzoo.open_index(old).embeddings.record.model == str(models[1])


def test_pictures_that_cannot_be_read_any_more_are_said(models: tuple[Path, Path], old: Path, tmp_path: Path) -> None:
    index = omlzoo.open_index(old)
    files = index.table().files()
    files[7].unlink()
    with pytest.warns(OmlzooWarning) as said:
        done = migrate(old, models[1], tmp_path / "new", progress=False)
    assert any(f"1 of 37 pictures that {old} finds cannot be read now, such as" in str(each.message) for each in said)
    assert (done.lost, done.index.size) == (1, 36)
    shutil.rmtree(tmp_path / "pictures")
    with (
        pytest.warns(OmlzooWarning),
        pytest.raises(BadInput, match=r"none of the 37 pictures .* can be read .*give root= where they are now"),
    ):
        migrate(old, models[1], tmp_path / "other", progress=False)
    assert not (tmp_path / "other").exists()


def test_pictures_that_were_moved_are_found_by_their_root(models: tuple[Path, Path], old: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").rename(tmp_path / "moved")
    done = migrate(old, models[1], tmp_path / "new", root=tmp_path / "moved", progress=False)
    assert (done.lost, done.index.size) == (0, 37)
    assert done.index.embeddings.record.root == str(tmp_path / "moved")


def test_what_cannot_be_is_refused_before_anything_is_computed(
    models: tuple[Path, Path], old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "embed_part", None)
    with pytest.raises(BadInput, match="with these weights already; there is nothing to migrate"):
        migrate(old, models[0], tmp_path / "new", progress=False)
    with pytest.raises(BadInput, match=r"backend exact does not take \['neighbours'\]"):
        migrate(old, models[1], tmp_path / "new", progress=False, neighbours=5)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("")
    with pytest.raises(BadInput, match=r"exists and holds notes.txt"):
        migrate(old, models[1], tmp_path / "theirs", progress=False)


def test_a_store_needs_another_place(models: tuple[Path, Path], old: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    index, uri = omlzoo.open_index(old), tmp_path / "rows.lance"
    left = index.embeddings.rows(index.embeddings.good)
    omlzoo.build_index(left, backend="lancedb", uri=uri).save(tmp_path / "stored")
    with pytest.raises(BadInput, match=r"answers from 'omlzoo' of .*rows.lance; give the new one a place of its own"):
        migrate(tmp_path / "stored", models[1], tmp_path / "new", progress=False)
    with pytest.raises(BadInput, match="a place of its own"):
        migrate(tmp_path / "stored", models[1], tmp_path / "new", progress=False, collection="omlzoo", overwrite=True)
    done = migrate(tmp_path / "stored", models[1], tmp_path / "new", progress=False, collection="second")
    assert omlzoo.open_index(tmp_path / "new").search(done.index.embeddings.vectors[:1], k=1).ids.tolist() == [[0]]
    assert omlzoo.open_index(tmp_path / "stored").search(left.vectors[:1], k=1).ids.tolist() == [[0]]
    with pytest.raises(BadInput, match="has 'second' already"):
        migrate(tmp_path / "stored", models[1], tmp_path / "third", progress=False, collection="second")


def test_common_neighbours_are_those_of_the_loop() -> None:
    before, after = random_embeddings(30, 4), random_embeddings(30, 6, seed=1)
    errors = after.table["error"].where(np.arange(30) != 4, "broken")
    after = replace(after, table=after.table.assign(error=errors))
    both = [row for row in range(30) if row != 4]
    shares = []
    for query in both:
        near = [
            set(
                sorted(
                    (row for row in both if row != query),
                    key=lambda row: -float(each.vectors[row] @ each.vectors[query]),
                )[:3]
            )
            for each in (before, after)
        ]
        shares.append(len(near[0] & near[1]) / 3)
    assert common_neighbours(before, after, k=3) == (3, 29, pytest.approx(np.mean(shares)))
    assert common_neighbours(before, before, k=99)[::2] == (29, 1.0)
    assert common_neighbours(before.rows(np.arange(30) < 1), after.rows(np.arange(30) < 1)) == (0, 0, 1.0)

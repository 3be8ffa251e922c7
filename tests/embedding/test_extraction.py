"""embed(): a row per input, the model's own numbers, errors kept, runs continued."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

import omlzoo
from omlzoo.embedding import extraction
from omlzoo.embedding.shards import Shards
from omlzoo.errors import BadInput, BadTable, OmlzooWarning
from omlzoo.models._extractor import Extractor


@pytest.fixture
def files(drawn: Path) -> list[Path]:
    return sorted((drawn.parent / "images/alphabet0").rglob("*.png"))


def test_vectors_are_the_models_own(files: list[Path], model: Extractor) -> None:
    found = omlzoo.embed(model, files, batch_size=7)
    transform = model.transforms()
    with torch.inference_mode():
        wanted = torch.cat([model(transform(Image.open(path))[None]) for path in files]).numpy()
    assert found.vectors.shape == (40, model.dim)
    assert found.vectors.dtype == np.float32
    assert np.allclose(found.vectors, wanted, rtol=1e-4, atol=1e-5)
    assert found.table["path"].tolist() == [str(path) for path in files]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 16, 100])
def test_workers_and_batches_do_not_change_the_answer(
    files: list[Path], model: Extractor, workers: int, batch_size: int
) -> None:
    threads = torch.get_num_threads()
    found = omlzoo.embed(model, files, workers=workers, batch_size=batch_size)
    assert np.allclose(found.vectors, omlzoo.embed(model, files).vectors, rtol=1e-4, atol=1e-5)
    assert torch.get_num_threads() == threads


def test_every_kind_of_source(drawn: Path, files: list[Path], model: Extractor) -> None:
    folder = drawn.parent / "images"
    wanted = omlzoo.embed(model, files[:3]).vectors
    assert np.allclose(omlzoo.embed(model, [Image.open(path) for path in files[:3]]).vectors, wanted, atol=1e-5)
    assert np.allclose(omlzoo.embed(model, files[0]).vectors, wanted[:1], atol=1e-5)
    assert np.allclose(omlzoo.embed(model, Image.open(files[0])).vectors, wanted[:1], atol=1e-5)
    everything = omlzoo.embed(model, folder)
    assert set(everything.table["label"]) == {f"alphabet{i}" for i in range(4)}
    table = omlzoo.embed(model, drawn)
    assert len(table) == len(everything) == 160
    assert {"path", "label", "split", "is_query", "is_gallery", "category", "error"} == set(table.table.columns)
    frame = pd.read_csv(drawn)
    assert np.array_equal(omlzoo.embed(model, frame, root=drawn.parent).vectors, table.vectors)


def test_broken_pictures_keep_their_row_and_error(tmp_path: Path, files: list[Path], model: Extractor) -> None:
    (tmp_path / "broken.png").write_bytes(files[0].read_bytes()[:200])
    sources = [files[0], tmp_path / "broken.png", tmp_path / "gone.png", files[1]]
    with pytest.warns(
        OmlzooWarning, match=r"2 of 4 pictures could not be read and have no vector; the first: .*broken\.png"
    ):
        found = omlzoo.embed(model, sources)
    assert found.good.tolist() == [True, False, False, True]
    assert np.isnan(found.vectors[1:3]).all()
    assert "gone.png: there is no such file" in found.table["error"][2]


def test_good_rows_beside_broken_ones_are_the_same_to_a_millionth(
    tmp_path: Path, files: list[Path], model: Extractor
) -> None:
    """docs/reliability.md: the last bits depend on how many pictures a batch holds, and on nothing else."""
    (tmp_path / "broken.png").write_bytes(b"x")
    sources = [*files[:3], tmp_path / "broken.png", *files[3:6]]
    with pytest.warns(OmlzooWarning, match="1 of 7 pictures"):
        found, again = (omlzoo.embed(model, sources, batch_size=8, workers=1, progress=False).vectors for _ in range(2))
    wanted = omlzoo.embed(model, files[:6], batch_size=8, workers=1, progress=False).vectors
    good = np.arange(7) != 3
    apart = np.linalg.norm(found[good] - wanted, axis=1)
    assert (apart <= 1e-6 * np.linalg.norm(wanted, axis=1)).all()
    assert np.array_equal(found[good], again[good]), "the same rows in the same batches give the same bits"


def test_all_pictures_broken_is_still_an_answer(tmp_path: Path, model: Extractor) -> None:
    with pytest.warns(OmlzooWarning, match="1 of 1"):
        found = omlzoo.embed(model, [tmp_path / "gone.png"], out=tmp_path / "e.parquet")
    assert np.isnan(omlzoo.load_embeddings(tmp_path / "e.parquet").vectors).all()
    assert not found.good.any()


def test_boxes_are_cut_out(tmp_path: Path, model: Extractor) -> None:
    image = Image.effect_noise((80, 60), 90).convert("RGB")
    image.save(tmp_path / "a.png")
    frame = pd.DataFrame(
        {"path": ["a.png"] * 2, "x_1": [10, None], "y_1": [5, None], "x_2": [60, None], "y_2": [50, None]}
    )
    found = omlzoo.embed(model, frame, root=tmp_path)
    wanted = omlzoo.embed(model, [image.crop((10, 5, 60, 50)), image])
    assert np.allclose(found.vectors, wanted.vectors, atol=1e-5)


def test_bf16_is_close(files: list[Path]) -> None:
    from toys import toy

    model = toy("vit_toy", normalize=True)
    exact, half = omlzoo.embed(model, files, precision="fp32"), omlzoo.embed(model, files, precision="bf16")
    assert (exact.vectors * half.vectors).sum(axis=1).min() > 0.999
    assert half.vectors.shape == exact.vectors.shape
    assert np.allclose(np.linalg.norm(half.vectors, axis=1), 1, atol=1e-5)
    assert (exact.record.precision, half.record.precision) == ("fp32", "bf16")
    assert next(model.parameters()).dtype == torch.float32


def test_a_model_in_training_mode_is_used_as_in_evaluation_and_left_alone(files: list[Path], model: Extractor) -> None:
    wanted = omlzoo.embed(model, files)
    model.train()
    found = omlzoo.embed(model, files)
    assert np.allclose(found.vectors, wanted.vectors, atol=1e-5)
    assert model.training
    assert found.record.sha256.startswith("state:")


def test_a_finished_file_is_not_computed_again_and_not_overwritten(
    tmp_path: Path, files: list[Path], model: Extractor
) -> None:
    out = tmp_path / "e.parquet"
    first = omlzoo.embed(model, files, out=out)
    changed = out.stat().st_mtime_ns
    with pytest.warns(OmlzooWarning, match="was finished already; it was read, and nothing was computed"):
        assert np.array_equal(omlzoo.embed(model, files, out=out).vectors, first.vectors)
    assert out.stat().st_mtime_ns == changed
    with pytest.raises(
        BadInput, match="exists and has other rows or settings, by resnet_toy_test; give another name, or overwrite"
    ):
        omlzoo.embed(model, files[:5], out=out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.parquet"]


def test_an_interrupted_run_continues(
    tmp_path: Path, files: list[Path], model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "e.parquet"
    whole = extraction.Pipeline.vectors
    batches: list[int] = []

    def interrupted(self: extraction.Pipeline, pixels: list[Tensor | None]) -> np.ndarray:
        batches.append(len(pixels))
        if len(batches) > 5:
            raise KeyboardInterrupt
        return whole(self, pixels)

    monkeypatch.setattr(extraction.Pipeline, "vectors", interrupted)
    with pytest.raises(KeyboardInterrupt):
        omlzoo.embed(model, files, out=out, batch_size=4, workers=1)
    assert not out.exists()
    monkeypatch.setattr(extraction.Pipeline, "vectors", whole)
    found = omlzoo.embed(model, files, out=out, batch_size=4)
    assert found.stats["resumed"] == 20
    assert np.allclose(found.vectors, omlzoo.embed(model, files).vectors, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.parquet"]


def test_parts_of_another_run_are_not_mixed_in(tmp_path: Path, files: list[Path], model: Extractor) -> None:
    folder = tmp_path / "e.parquet.parts"
    other = omlzoo.embed(model, files[:1], precision="bf16").record
    Shards.open(folder, other)
    with Shards.open(folder, other).lock(), pytest.raises(BadInput, match="is being written by another process"):
        omlzoo.embed(model, files[:4], out=tmp_path / "e.parquet")
    with pytest.warns(OmlzooWarning, match="of a run with other settings; it was removed"):
        omlzoo.embed(model, files[:4], out=tmp_path / "e.parquet", precision="fp32")
    assert not folder.exists()
    (tmp_path / "f.parquet.parts").mkdir()
    (tmp_path / "f.parquet.parts" / "mine.txt").touch()
    with pytest.raises(BadInput, match="exists and holds something else"):
        omlzoo.embed(model, files[:4], out=tmp_path / "f.parquet")
    assert (tmp_path / "f.parquet.parts" / "mine.txt").exists()


def test_a_picture_that_a_table_has_twice_has_two_rows(tmp_path: Path, files: list[Path], model: Extractor) -> None:
    found = omlzoo.embed(model, [files[0], files[1], files[0]], out=tmp_path / "e.parquet")
    assert len(found) == 3
    assert np.array_equal(found.vectors[0], found.vectors[2])
    assert np.allclose(found.vectors, omlzoo.embed(model, [files[0], files[1], files[0]]).vectors, atol=1e-5)


def test_a_killed_process_loses_only_what_was_in_flight(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    model.save(tmp_path / "m")
    code = (
        "import sys, time, omlzoo\nfrom omlzoo.embedding import pipeline, shard_writer\nshard_writer.ROWS = 8\n"
        "decode = pipeline.Pipeline.decode\n"
        "def slow(self, jobs):\n    time.sleep(0.05)\n    return decode(self, jobs)\n"
        "pipeline.Pipeline.decode = slow\n"
        f"omlzoo.embed({str(tmp_path / 'm')!r}, {str(drawn)!r}, out={str(tmp_path / 'e.parquet')!r}, batch_size=4, workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    folder = tmp_path / "e.parquet.parts"
    deadline = time.monotonic() + 120
    while len(list(folder.glob("0*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "e.parquet").exists()
    found = omlzoo.embed(str(tmp_path / "m"), drawn, out=tmp_path / "e.parquet")
    assert found.stats["resumed"] >= 24
    assert np.allclose(found.vectors, omlzoo.embed(model, drawn).vectors, atol=1e-5)
    assert found.table["path"].is_unique


def test_bad_arguments_are_named(tmp_path: Path, files: list[Path], model: Extractor) -> None:
    with pytest.raises(BadInput, match="batch_size is 0"):
        omlzoo.embed(model, files, batch_size=0)
    with pytest.raises(BadInput, match="workers is -1"):
        omlzoo.embed(model, files, workers=-1)
    with pytest.raises(BadInput, match="precision is 'int3'"):
        omlzoo.embed(model, files, precision="int3")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="there is no picture to embed"):
        omlzoo.embed(model, [])
    with pytest.raises(BadTable, match="has no rows"):
        omlzoo.embed(model, tmp_path)


def test_what_is_in_no_file_is_told_apart(tmp_path: Path, files: list[Path], model: Extractor) -> None:
    from toys import toy

    first, other = omlzoo.embed(model, files[:4]), omlzoo.embed(toy("resnet_toy", seed=3), files[:4])
    assert first.record.sha256.startswith("state:")
    assert first.record.sha256 != other.record.sha256
    with pytest.raises(BadInput, match="sha256 is"):
        omlzoo.build_index(first).search(other)
    model.save(tmp_path / "m")
    saved = omlzoo.get_model(tmp_path / "m")
    assert not omlzoo.embed(saved, files[:4]).record.sha256.startswith("state:")
    saved.load_state_dict(toy("resnet_toy", seed=3).state_dict())
    assert omlzoo.embed(saved, files[:4]).record.sha256 == other.record.sha256


def test_another_picture_under_the_same_name_is_computed_again(tmp_path: Path, model: Extractor) -> None:
    Image.effect_noise((40, 40), 50).save(tmp_path / "a.png")
    omlzoo.embed(model, [tmp_path / "a.png"], out=tmp_path / "e.parquet")
    Image.effect_noise((40, 41), 90).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="has other rows or settings"):
        omlzoo.embed(model, [tmp_path / "a.png"], out=tmp_path / "e.parquet")
    with pytest.raises(BadInput, match="out is for pictures in files"):
        omlzoo.embed(model, [Image.new("RGB", (9, 9))], out=tmp_path / "f.parquet")
    with pytest.raises(BadInput, match="is a folder"):
        omlzoo.embed(model, [tmp_path / "a.png"], out=tmp_path)


def test_columns_of_our_own_and_odd_ones(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn).head(4).assign(vector=1, error="x", tags=[["a"], [], ["b"], ["c", "d"]])
    with pytest.warns(OmlzooWarning, match="the columns vector, error are written by embed"):
        omlzoo.embed(model, frame, root=drawn.parent, out=tmp_path / "e.parquet")
    found = omlzoo.load_embeddings(tmp_path / "e.parquet")
    assert found.good.all()
    assert [list(tags) for tags in found.table["tags"]] == [["a"], [], ["b"], ["c", "d"]]


@pytest.mark.parametrize("device", ["cuda:99", "foo"])
def test_a_device_that_is_not_there_is_named(files: list[Path], model: Extractor, device: str) -> None:
    with pytest.raises(BadInput, match=f"device is '{device}'"):
        omlzoo.embed(model, files[:1], device=device)


@pytest.mark.parametrize("out", [False, True])
def test_a_model_that_gives_no_numbers_is_said_once(tmp_path: Path, files: list[Path], out: bool) -> None:
    from toys import toy

    model = toy("resnet_toy")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    said = (
        r"^5 of 5 pictures have no vector, the first: .*the model gave numbers that are not finite; that is every pict"
    )
    with pytest.warns(OmlzooWarning, match=said) as warned:
        found = omlzoo.embed(model, files[:5], out=tmp_path / "e.parquet" if out else None)
    assert len(warned) == 1
    assert not found.good.any()
    assert np.isnan(found.vectors).all()
    if out:
        assert not omlzoo.load_embeddings(tmp_path / "e.parquet").good.any()


def test_columns_that_are_kept_for_ours_are_refused_before_anything_is_computed(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction.Pipeline, "decode", None)
    frame = pd.read_csv(drawn).head(4).assign(**{"omlzoo:file_size": 1})
    for act in (
        lambda: omlzoo.embed(model, frame, root=drawn.parent),
        lambda: omlzoo.embed(model, frame, root=drawn.parent, out=tmp_path / "e.parquet"),
        lambda: omlzoo.embed_shards(model, frame, tmp_path / "v", root=drawn.parent),
    ):
        with pytest.raises(BadInput, match="the column 'omlzoo:file_size' has a name that omlzoo keeps for itself"):
            act()
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_utf_8_is_written_with_escapes(tmp_path: Path, files: list[Path], model: Extractor) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.png")
    odd.write_bytes(files[0].read_bytes())
    given = omlzoo.embed(model, [odd])  # the table has its name with escapes, and the picture is opened all the same
    assert given.good.tolist() == [True]
    assert given.table["path"][0].encode().decode().endswith("\\xff.png")
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    (folder / "a.png").write_bytes(files[0].read_bytes())
    (folder / "b.png").write_bytes(b"x")
    with pytest.warns(OmlzooWarning, match="1 of 2 pictures could not be read"):
        found = omlzoo.embed(model, folder, out=folder / "e.parquet")
    assert found.good.tolist() == [True, False]
    assert omlzoo.load_embeddings(folder / "e.parquet").table.equals(found.table)


def test_what_was_seen_of_pictures_is_counted_and_said_once(model: Extractor, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((40, 40), 200, dtype=np.uint16)).save(tmp_path / name)
    found = Image.new("RGB", (40, 40), "red")
    found.save(tmp_path / "c.jpg", icc_profile=b"no profile")
    with pytest.warns(OmlzooWarning) as heard:
        embeddings = omlzoo.embed(model, tmp_path, progress=False, icc="srgb")
    texts = [str(one.message) for one in heard]
    assert len([text for text in texts if text.startswith("2 pictures have 16 bits") and text.endswith("a.png")]) == 1
    assert len([text for text in texts if text.startswith("1 picture has a colour profile that cannot be used")]) == 1
    assert embeddings.record.icc == "srgb"
    assert embeddings.record.decoder == 2


def test_a_file_of_an_earlier_decoder_is_read_and_it_is_said(drawn: Path, model: Extractor, tmp_path: Path) -> None:
    written = omlzoo.embed(model, drawn, out=tmp_path / "v.parquet", progress=False)
    replace(written, record=replace(written.record, decoder=1)).save(tmp_path / "v.parquet")
    with pytest.warns(OmlzooWarning) as heard:
        again = omlzoo.embed(model, drawn, out=tmp_path / "v.parquet", progress=False)
    assert again.record.decoder == 1
    line = "decoder 2 made these vectors and decoder 1 the others"
    assert len([one for one in heard if line in str(one.message)]) == 1

"""Vectors of pictures that come one after the other are those of the same pictures in files, bit for bit."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from toys import toy

import omlzoo
from omlzoo.data.picture_list import Stream, open_source
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.run_record import record_of
from omlzoo.embedding.streaming import embed_stream
from omlzoo.errors import BadInput, OmlzooWarning
from tests.data.test_containers import parquet, write_tar, write_zip

PIXELS = np.random.default_rng(0).integers(0, 256, (70, 40, 44, 3), np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return sorted(folder.iterdir())


def test_the_same_pictures_from_everywhere_have_the_same_vectors(files: list[Path], tmp_path: Path) -> None:
    model, options = toy("resnet_toy"), {"batch_size": 8, "workers": 2}
    expected = omlzoo.embed(model, files, **options).vectors
    members = {path.name: path.read_bytes() for path in files}
    tensor = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    sources: dict[str, Any] = {
        "folder": files[0].parent, "arrays": PIXELS, "tensors": tensor, "list of arrays": list(PIXELS),
        "bytes": list(members.values()), "PIL": [Image.fromarray(one) for one in PIXELS],
        "zip": write_zip(tmp_path / "a.zip", members), "tar": write_tar(tmp_path / "a.tar", members),
        "parquet": parquet(tmp_path / "a.parquet", list(members.values()), 16),
        "paths one by one": iter(files), "arrays one by one": iter(PIXELS), "dataset": TensorDataset(tensor),
        "loader": DataLoader(TensorDataset(tensor), batch_size=9),
    }  # fmt: skip
    for name, source in sources.items():
        found = omlzoo.embed(model, source, **options)
        assert np.array_equal(found.vectors, expected), name
        assert found.good.all()
        assert len(found) == 70
    both = [write_zip(tmp_path / f"{n}.zip", dict(list(members.items())[n : n + 35])) for n in (0, 35)]
    found = omlzoo.embed(model, both, **options)
    assert np.array_equal(found.vectors, expected)
    assert found.table["path"].iloc[35] == f"{tmp_path}/35.zip/035.png"


def test_an_interrupted_run_over_an_archive_goes_on(files: list[Path], tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {path.name: path.read_bytes() for path in files[:20]})
    model = toy("resnet_toy")
    shards = omlzoo.embed_shards(model, archive, tmp_path / "v")
    again = omlzoo.embed_shards(model, archive, tmp_path / "v")
    assert len(shards) == len(again) == 20
    assert len(again.files()) == 1
    index = omlzoo.build_index(omlzoo.embed(model, archive))
    index.search([files[3]], k=2).html(tmp_path / "hits.html")
    assert (tmp_path / "hits.html").read_text().count('class="open"') >= 3
    assert index.search(PIXELS[3:5], k=1).ids.ravel().tolist() == [3, 4]
    index.search(PIXELS[3], k=1).html(tmp_path / "one.html")
    assert (tmp_path / "one.html").read_text().count('class="open"') >= 2
    assert index.search((one for one in PIXELS[3:5]), k=1).ids.ravel().tolist() == [3, 4]
    with pytest.raises(BadInput, match="is of type float32; pixels are uint8"):
        index.search(PIXELS[:2].astype(np.float32))


def test_only_what_is_at_work_is_held() -> None:
    def endless(count: int) -> Iterator[np.ndarray]:
        for _ in range(count):
            yield np.zeros((600, 600, 3), np.uint8)

    model = toy("resnet_toy")
    omlzoo.embed(model, endless(4), workers=1)
    tracemalloc.start()
    omlzoo.embed(model, endless(60), batch_size=2, workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 600 * 600 * 3  # of 60 pictures; an array, a copy and a batch that waits


@pytest.mark.filterwarnings("ignore::omlzoo.errors.OmlzooWarning")
def test_labels_and_errors_stay_with_their_rows() -> None:
    items = [(PIXELS[0], "a"), (PIXELS[1][..., 0], "b"), (PIXELS[2], None), (PIXELS[3], "d")]
    found = omlzoo.embed(toy("resnet_toy"), iter(items))
    assert found.table["label"].tolist() == ["a", "", "", "d"]
    assert found.table["path"].tolist()[1] == "item 1"
    assert found.good.tolist() == [True, False, True, True]
    assert "has the shape (40, 44)" in found.table["error"][1]


def test_what_has_no_names_cannot_be_written_in_parts(tmp_path: Path) -> None:
    for source in (iter(PIXELS), PIXELS, [Image.fromarray(PIXELS[0])]):
        with pytest.raises(BadInput, match="out is for pictures in files"):
            omlzoo.embed(toy("resnet_toy"), source, out=tmp_path / "e.parquet")
    with pytest.raises(BadInput, match="out is for pictures in files"):
        omlzoo.embed_shards(toy("resnet_toy"), PIXELS, tmp_path / "v")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="int8 is calibrated on pictures from all over"):
        omlzoo.embed(toy("resnet_toy"), iter(PIXELS), precision="int8", runtime="openvino")
    assert not list(tmp_path.iterdir())


def test_the_record_is_that_of_files(files: list[Path]) -> None:
    model = toy("resnet_toy")
    stream = open_source(iter(PIXELS[:3]))
    assert isinstance(stream, Stream)
    found = embed_stream(model, stream, options=ComputeOptions(precision="fp32"), progress=False)
    omlzoo.embed(model, files[:1], precision="fp32").record.check_comparable(found.record)
    assert record_of.__module__ == "omlzoo.embedding.run_record"
    assert found.stats["rows"] == 3


def test_an_index_of_anything() -> None:
    with pytest.warns(OmlzooWarning, match="as its label"):
        embeddings = omlzoo.embed(
            toy("resnet_toy"), TensorDataset(torch.from_numpy(PIXELS[:4]), torch.tensor([5, 5, 6, 6]))
        )
    assert omlzoo.build_index(embeddings).search(PIXELS[2], k=1).table()["label"].tolist() == [6]
    at_once = omlzoo.build_index(PIXELS[:4], model=embeddings.model)
    assert np.array_equal(at_once.embeddings.vectors, embeddings.vectors)
    with pytest.raises(BadInput, match="embed first, or give model="):
        omlzoo.build_index(PIXELS)
    with pytest.raises(BadInput, match="leave model out"):
        omlzoo.build_index(embeddings, model=embeddings.model)

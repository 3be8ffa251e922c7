"""Embeddings that are there are replaced on request only, as a whole, and what is not ours stays."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.embedding import shard_writer
from omlzoo.embedding.replacement import NEXT, shards_to_fill
from omlzoo.embedding.shard_settings import FACTS
from omlzoo.embedding.shards import Shards
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor

OLD, NEW = toy("resnet_toy"), toy("resnet_toy", seed=1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for i in range(6):
        Image.effect_noise((40, 40), 20 + 30 * i).convert("RGB").save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


def write(out: Path, photos: Path, overwrite: bool = False, model: Extractor = NEW) -> None:
    act: Callable[..., object] = omlzoo.embed if out.suffix else omlzoo.embed_shards
    act(model, photos, out=out, overwrite=overwrite, progress=False)


def holds(out: Path, photos: Path, model: Extractor) -> bool:
    found, wanted = omlzoo.load_embeddings(out), omlzoo.embed(model, photos, progress=False)
    order = np.argsort(found.table["path"].to_numpy())
    return len(found) == len(wanted) and np.allclose(found.vectors[order], wanted.vectors, atol=1e-5)


@pytest.mark.parametrize("name", ["e.parquet", "v"])
def test_other_embeddings_are_replaced_on_request_only(name: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    write(out, photos, model=OLD)
    with pytest.raises(BadInput, match=r"other .*settings.*; give another name, or overwrite \(--overwrite\) to"):
        write(out, photos)
    assert holds(out, photos, OLD)
    for _ in range(2):  # also once it was replaced before
        (photos / "5.png").unlink(missing_ok=True)
        with pytest.warns(OmlzooWarning, match=rf"{name} holds [65] rows by resnet_toy_test, which are replaced$"):
            write(out, photos, overwrite=True)
        assert holds(out, photos, NEW)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(out, photos)  # goes on with the new ones
    assert holds(out, photos, NEW)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "photos"])
    if out.is_dir():
        assert sorted(path.name for path in out.iterdir()) == ["rows-2", FACTS]
        Image.effect_noise((40, 40), 99).convert("RGB").save(photos / "9.png")
        write(out, photos)
        assert holds(out, photos, NEW)
        assert Shards.open(out).remove([str(photos / "9.png")]) == 1
        assert len(omlzoo.load_embeddings(out)) == 5


@pytest.mark.parametrize("name", ["e.parquet", "v", "w"])
def test_what_is_not_ours_stays(name: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    if name == "e.parquet":
        out.write_bytes(b"mine")
    elif name == "v":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        write(out, photos, model=OLD)
        (out / "0.parquet").write_bytes(b"mine")
    with pytest.raises(BadInput):
        write(out, photos, overwrite=True)
    (place,) = {"e.parquet": [out], "v": [out / "mine.txt"], "w": [out / "0.parquet"]}[name]
    assert place.read_bytes() == b"mine"
    if name == "w":
        assert not (out / NEXT).exists()


def test_an_interrupted_replacement_leaves_the_old_ones_and_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "v"
    write(out, photos, model=OLD)
    monkeypatch.setattr(shard_writer, "ROWS", 2)
    embed_part, parts = shard_writer.embed_part, []

    def stopping(shards: Shards, part: object, *rest: object) -> list[str]:
        parts.append(part)
        if len(parts) == 3:
            raise KeyboardInterrupt
        return embed_part(shards, part, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shard_writer, "embed_part", stopping)
    with pytest.raises(KeyboardInterrupt), pytest.warns(OmlzooWarning, match="holds 6 rows"):
        write(out, photos, overwrite=True)
    assert holds(out, photos, OLD)
    with pytest.warns(OmlzooWarning, match="holds 6 rows"):
        write(out, photos, overwrite=True)
    assert holds(out, photos, NEW)
    assert len(parts) == 4  # two of two, the one that was stopped, and it again


def test_two_processes_do_not_replace_one_folder(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "v", photos, model=OLD)
    shards = Shards.open(tmp_path / "v")
    with (
        shards.lock(),
        pytest.raises(BadInput, match="is being written by another process"),
        shards_to_fill(tmp_path / "v", shards.record, "float32", overwrite=True),
    ):
        raise AssertionError

"""What a folder lacks is computed a file at a time; the rest is seen through embed_shards, in test_shards.py."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omlzoo.data.table import read
from omlzoo.embedding import shard_writer
from omlzoo.embedding.extraction import record_of
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.shard_writer import embed_part, fill_shards, say_decoder
from omlzoo.embedding.shards import Shards
from omlzoo.errors import OmlzooWarning
from omlzoo.models._extractor import Extractor


def test_files_of_so_many_rows_and_the_number_that_is_given(
    drawn: Path, model: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "ROWS", 60)
    table, run = read(drawn, "embed"), Pipeline.of(model, ComputeOptions(precision="fp32", workers=1, device="cpu"))
    shards = Shards.open(tmp_path / "v", record_of(model, table.root, run))
    assert fill_shards(shards, table, run, False) == 0
    assert [len(part) for part in shards] == [60, 60, 40]
    assert fill_shards(shards, table, run, False) == 160
    before = shards.load().vectors
    done: list[int] = []
    part = table.rows(np.arange(160) < 60)
    assert embed_part(shards, part, run, done.append, number=0) == [""] * 60  # the same file again
    assert sum(done) == 60
    assert len(shards.files()) == 3
    assert np.allclose(shards.load().vectors, before, atol=1e-5)


def test_a_folder_of_an_earlier_decoder_grows_and_it_is_said(drawn: Path, model: Extractor, tmp_path: Path) -> None:
    table, run = read(drawn, "embed"), Pipeline.of(model, ComputeOptions(precision="fp32", workers=1, device="cpu"))
    now = record_of(model, table.root, run)
    Shards.open(tmp_path / "v", replace(now, decoder=1))
    shards = Shards.open(tmp_path / "v", now)
    assert shards.record.decoder == 1
    with pytest.warns(OmlzooWarning, match="decoder 1 made these vectors and decoder 2 the others"):
        say_decoder(shards, now.decoder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        say_decoder(Shards.open(tmp_path / "w", now), now.decoder)

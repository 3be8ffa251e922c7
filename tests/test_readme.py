"""What the README shows is generated and true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from places import PROJECT, has_photos

import omlzoo

ROOT = PROJECT


def test_the_table_of_checkpoints_is_up_to_date() -> None:
    found = subprocess.run([sys.executable, str(ROOT / "scripts/zoo_table.py"), "--check"], check=False)
    assert found.returncode == 0, "run python scripts/zoo_table.py"


def test_every_file_it_links_to_is_there() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "docs/architecture.md"):
        text = (ROOT / document).read_text()
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert ((ROOT / document).parent / target).exists(), f"{document} links to {target}"


def test_every_name_it_uses_is_there() -> None:
    for name in re.findall(r"omlzoo\.(\w+)\(", (ROOT / "README.md").read_text()):
        assert hasattr(omlzoo, name), name


def test_every_test_that_the_documents_name_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs/reliability.md").read_text())
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 30
    assert [name for name in named if f"def {name}(" not in code] == []


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """A reader's folder: photos, a query, and a table of products of two categories."""
    random, rows = np.random.default_rng(0), []
    (tmp_path / "photos").mkdir()
    for number in range(40):
        label = number // 4
        pattern = np.random.default_rng(label).integers(0, 256, (4, 4, 3))
        picture = np.kron(pattern, np.ones((20, 20, 1))) + random.integers(-20, 20, (80, 80, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / f"photos/{number}.jpg")
        held = label % 2 == 0
        rows.append({
            "path": f"photos/{number}.jpg", "label": label, "split": "validation" if held else "train",
            "is_query": held or "", "is_gallery": held or "", "category": ("boot", "shoe")[label // 2 % 2],
        })  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "products.csv", index=False)
    Image.open(tmp_path / "photos/0.jpg").save(tmp_path / "query.jpg")
    return tmp_path


@pytest.mark.skipif(not has_photos(), reason="omlzoo[photos] is not installed")
@pytest.mark.parametrize(
    "blocks", [1, pytest.param(2, marks=pytest.mark.slow)], ids=["photos at once", "the whole tour"]
)
def test_the_tour_runs_as_printed(reader: Path, blocks: int) -> None:
    printed = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = "\n".join([block for block in printed if "import omlzoo" in block][:blocks])
    environ = {**os.environ, "OMLZOO_HOME": str(reader / "home"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=reader, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (reader / "photos.index/index.json").is_file()
    assert (reader / "hits.html").stat().st_size > 1000
    assert (reader / "dist/omlzoo_products-1.0.0-py3-none-any.whl").is_file() == (blocks == 2)

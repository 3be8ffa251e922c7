"""Every block of Python in the documentation runs as printed, with a small model in place of weights that need a network.

A block that cannot is preceded by ``<!-- not run: WHY -->``.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from places import PROJECT
from toys import toy

from omlzoo.evaluation import plots

BLOCK = re.compile(r"(?:<!-- not run: (.+?) -->\n+)?```python\n(.*?)```", re.DOTALL)
PAGES = sorted(
    path for path in [*(PROJECT / "docs").rglob("*.md"), PROJECT / "README.md"] if "```python" in path.read_text()
)
TOUR = "efficientnet_lite0_in1k"  # README's first blocks run with its own weights in test_readme.py
NEEDED = ("pytorch_metric_learning", "lightning", "timm", "faiss", "scipy")
SMALL = {
    "omlzoo.efficientnet_lite0_in1k()": 'omlzoo.get_model("small")',
    "omlzoo.vits16_dino()": 'omlzoo.get_model("small")',
    '"efficientnet_lite0_in1k"': '"small"',
    '"vits16_dino"': '"small"',
    "Trainer(max_epochs=1, ": "Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, ",
    'create_model("resnet18"': 'create_model("test_resnet"',
    "(224, 224)": "(32, 32)",
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Why it is not run, and the code, of each block."""
    return BLOCK.findall(page.read_text())


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: photos in folders by label, a table, a query and a small model."""
    random, rows = np.random.default_rng(0), []
    for number in range(32):
        label = number // 4
        pattern = np.random.default_rng(label).integers(0, 256, (4, 4, 3))
        picture = np.kron(pattern, np.ones((12, 12, 1))) + random.integers(-20, 20, (48, 48, 3))
        path = f"photos/thing {label}/{number}.jpg"
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / path)
        held = label % 2 == 0
        rows.append({
            "path": path, "label": label, "split": "validation" if held else "train", "is_query": held or "",
            "is_gallery": held or "", "category": ("boot", "shoe")[label // 2 % 2],
        })  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "products.csv", index=False)
    Image.open(tmp_path / rows[0]["path"]).save(tmp_path / "query.jpg")
    toy("resnet_toy").save(tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
@pytest.mark.usefixtures("reader")
def test_every_block_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "can_draw", lambda: False)  # figures have their own tests
    known: dict[str, Any] = {}
    for number, (reason, code) in enumerate(blocks(page)):
        if reason or (page.name == "README.md" and TOUR in code):
            continue
        for package in NEEDED:
            if re.search(rf"\b{package}\b", code):
                pytest.importorskip(package)
        for wide, small in SMALL.items():
            code = code.replace(wide, small)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code, f"{page.name}, block {number + 1}", "exec"), known)


def test_a_block_that_is_not_run_says_why() -> None:
    skipped = [(page.name, reason) for page in PAGES for reason, _ in blocks(page) if reason]
    assert len(skipped) <= 5, skipped
    assert sum(len(blocks(page)) for page in PAGES) >= 20
    assert all(page.read_text().count("```python") == len(blocks(page)) for page in PAGES)

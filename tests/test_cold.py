"""What a fresh process does not import: a program that answers in half a second must not wait two for what it needs not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings

import omlzoo

TABLES = {"numpy", "pandas", "pyarrow", "PIL"}
DETOUR = {"timm", "torchvision", "torch._dynamo", "torch._inductor", "sympy"}  # what timm brings with it
TORCH = {"torch", *DETOUR}
NETWORK = {"huggingface_hub", "filelock"}

BUILD = """
import json
import numpy as np, pandas as pd, omlzoo
facts = json.load(open("record.json"))
table = pd.DataFrame({"path": ["a", "b", "c"], "error": ["", "", ""]})
vectors = np.eye(3, 16, dtype=np.float32)
index = omlzoo.build_index(omlzoo.Embeddings(vectors, table, type(omlzoo.open_index("index").embeddings.record)(**facts)))
assert index.search(vectors, 1).ids.tolist() == [[0], [1], [2]]
assert index.add(omlzoo.Embeddings(vectors[:1] * -1, table[:1].assign(path="d"), index.embeddings.record)).tolist() == [3]
index.save("another")
"""
SEARCH = """
import numpy as np, omlzoo
index = omlzoo.open_index("index")
hits = index.search(index.embeddings.vectors[:4], 3, where={"n": 0}, threshold=0.5)
assert hits.ids[:, 0].tolist()[::3] == [0, 3] and len(hits.table()) == 12
"""
BODIES = "from omlzoo.models import clip, resnet, siglip, unicom, vit; from omlzoo.zoo import registry, text_model"
CASES = {
    "import and list": ("import omlzoo; omlzoo.list_models(); dir(omlzoo)", TORCH | TABLES | NETWORK),
    "facts of an entry": ("import omlzoo; omlzoo.get_weights('vits16_dino').metrics", TORCH | TABLES | NETWORK),
    "list command": ("from omlzoo.cli import main; main(['list'])", TORCH | TABLES),
    "doctor": ("from omlzoo.cli import main; main(['doctor'])", TORCH),
    "bodies of our own": (BODIES, DETOUR),
    "an index of arrays": (BUILD, TORCH | {"huggingface_hub.file_download", "onnxruntime", "faiss", "pymilvus"}),
    "a search by vectors": (SEARCH, TORCH | {"huggingface_hub.file_download", "onnxruntime", "faiss", "pymilvus"}),
}


def imported(program: str, folder: Path, **environment: str) -> tuple[set[str], str]:
    """The modules that a fresh process has imported at the end of a program, and what it wrote."""
    code = f"{program}\nimport sys; open('modules', 'w').write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": ":".join(map(os.path.abspath, filter(None, sys.path))), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return set((folder / "modules").read_text().split()), done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_it_imports_nothing_that_it_needs_not(case: str, tmp_path: Path) -> None:
    program, forbidden = CASES[case]
    embeddings = random_embeddings(30)
    omlzoo.build_index(embeddings).save(tmp_path / "index")
    facts = json.loads(embeddings.record.to_json())
    del facts["preprocess_hash"]
    (tmp_path / "record.json").write_text(json.dumps(facts))
    assert imported(program, tmp_path)[0] & forbidden == set()


def ask(folder: Path, queries: list[str], *options: str) -> tuple[set[str], list[dict[str, Any]], str]:
    """The modules that `omlzoo search` imports, its hits, and what it said."""
    command = ["search", str(folder / "index"), *queries, "--json", *options]
    modules, said = imported(
        f"from omlzoo.cli import main; assert main({command!r}) == 0", folder, OMLZOO_HOME=str(folder)
    )
    text, found = said[: said.rindex("]") + 1], said[said.rindex("]") + 1 :]
    return modules, json.loads(text), found


def test_a_search_by_a_picture_goes_without_what_timm_brings(drawn: Path, tmp_path: Path) -> None:
    pictures = sorted(drawn.parent.rglob("*.png"))[:4]
    omlzoo.build_index(omlzoo.embed("resnet_small_omniglot", pictures, progress=False)).save(tmp_path / "index")
    modules, found, _ = ask(tmp_path, [str(pictures[3])])
    assert found[0]["hits"][0]["id"] == 3
    assert modules & DETOUR == set()


@pytest.mark.slow
@pytest.mark.parametrize("normalize", [True, False])
def test_a_kept_export_answers_without_torch_as_torch_does(normalize: bool, drawn: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = omlzoo.get_model("resnet_small_omniglot", normalize=normalize)
    embeddings = omlzoo.embed(model, drawn, progress=False)
    omlzoo.build_index(embeddings).save(tmp_path / "index")
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture")
    queries = [*(str(drawn.parent / path) for path in embeddings.table["path"][:3]), str(damaged)]
    _, expected, _ = ask(tmp_path, queries, "--runtime", "torch")
    assert "torch" in ask(tmp_path, queries, "--runtime", "onnx")[0], "the first time it is exported"
    for options in ([], ["--runtime", "onnx"]):
        modules, found, said = ask(tmp_path, queries, *options)
        assert modules & TORCH == set()
        assert ("a file that runtime='onnx' kept" in said) == (not options)
        for ours, theirs in zip(found, expected, strict=True):
            assert (ours["query"], ours["error"]) == (theirs["query"], theirs["error"])
            assert [hit["id"] for hit in ours["hits"]] == [hit["id"] for hit in theirs["hits"]]
            scores = [[hit["score"] for hit in each["hits"]] for each in (ours, theirs)]
            np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-5)
    assert "torch" in ask(tmp_path, queries, "--runtime", "torch")[0]

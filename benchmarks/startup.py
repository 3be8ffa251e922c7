"""Processor seconds of fresh processes, in turn, as ratios to `import torch` in the same run: what a user waits for.

The listing is measured over an empty program, also with five installed packages that each bring a checkpoint, and so is
the command `omlzoo list`. A cold search is one picture in an index of the bundled model: by torch, and by the exported
model that `--runtime onnx` keeps (where onnx, onnxscript and onnxruntime are installed). `--size` is the number of runs.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from measuring import Results, arguments

import omlzoo
from omlzoo.data import synthetic

MODEL, PACKAGES = "resnet_small_omniglot", 5
LISTING = "import omlzoo; omlzoo.list_models()"
VECTORS = "import omlzoo; index = omlzoo.open_index('index'); index.search(index.embeddings.vectors[:1])"
BUILDING = f"""
import numpy as np, pandas as pd, omlzoo
from omlzoo.embedding.record import Record
preprocess = {{"resize": [8, 8], "mode": "squash", "crop": [8, 8], "interpolation": "bilinear", "antialias": True,
              "mean": [0.0] * 3, "std": [1.0] * 3, "pad": None}}
table = pd.DataFrame({{"path": ["a", "b"], "error": ["", ""]}})
record = Record("{MODEL}", "0" * 64, 16, preprocess, True, "fp32", "/")
omlzoo.build_index(omlzoo.Embeddings(np.eye(2, 16, dtype=np.float32), table, record))
"""


def spent(folder: Path, *command: str, path: str = "") -> float:
    """Processor seconds of a Python of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    paths = os.pathsep.join(filter(None, [path, str(Path(omlzoo.__file__).parent.parent)]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMLZOO_HOME": str(folder / "home")}
    subprocess.run([sys.executable, *command], check=True, cwd=folder, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prepare(folder: Path) -> str:
    """An index of the bundled model, five packages in `site`, and the picture that is searched for."""
    table = synthetic.write_alphabets(folder / "pictures", alphabets=2, characters=4, drawers=5, size=64, seed=1)
    omlzoo.build_index(omlzoo.embed(MODEL, table, progress=False)).save(folder / "index")
    for number in range(PACKAGES):
        wheel = omlzoo.pack(MODEL, folder, name=f"packed_{number}")
        zipfile.ZipFile(wheel).extractall(folder / "site")
    return str(next((folder / "pictures").rglob("*.png")))


if __name__ == "__main__":
    runs = arguments(__doc__).size or 7
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        query = prepare(folder)
        search = ("-m", "omlzoo", "search", "index", query, "--runtime")
        cases: dict[str, tuple[str, ...]] = {
            "empty": ("-c", "pass"), "torch": ("-c", "import torch"), "list_models": ("-c", LISTING),
            "list_command": ("-m", "omlzoo", "list"), "doctor": ("-m", "omlzoo", "doctor"),
            "build_index": ("-c", BUILDING), "search_vector": ("-c", VECTORS), "search_torch": (*search, "torch"),
        }  # fmt: skip
        if all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))):
            spent(folder, *search, "onnx")  # the first time it exports
            cases["search_kept_export"] = (*search, "onnx")
        times: dict[str, list[float]] = {name: [] for name in [*cases, "list_models_with_packages"]}
        for _ in range(runs):
            for name, command in cases.items():
                times[name].append(spent(folder, *command))
            times["list_models_with_packages"].append(spent(folder, *cases["list_models"], path=str(folder / "site")))
    found = {name: statistics.median(each) for name, each in times.items()}
    results = Results("startup")
    limits = {"search_torch": 1.6, "search_kept_export": 0.8}  # times `import torch`
    for name in cases:
        if name not in ("empty", "torch"):
            limit = limits.get(name)
            results.add(name.replace("_", " "), found[name], "processor s", peer=found["torch"], peer_name="import torch",
                        limit=limit and limit * found["torch"], runs=runs)  # fmt: skip
    for name in ("list_models", "list_models_with_packages"):
        over = found[name] - found["empty"]
        results.add(f"{name.replace('_', ' ')}, over python", over, "processor s", limit=0.15)
    results.write()

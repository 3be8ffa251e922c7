"""Nothing is reported to anyone: no lookup, no connection, no file in a fresh home, whichever library would make it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from durability import missing_reason

pytestmark = pytest.mark.skipif(missing_reason() is not None, reason=str(missing_reason()))
HERE = Path(__file__).parent / "support"
WORK = """
import sys, time
from omlzoo import catalog
from omlzoo.cli import main
if sys.argv[2] == "engine":
    engine = catalog.optional("onnxruntime", "onnx")
    print(engine.__version__)
elif sys.argv[2] == "openvino":
    import numpy as np
    openvino, nncf = catalog.optional("openvino", "openvino"), catalog.optional("nncf", "int8")
    given = openvino.opset13.parameter([1, 3, 8, 8])
    made = openvino.Model([openvino.opset13.matmul(given, np.ones((8, 8), np.float32), False, False)], [given])
    made = nncf.quantize(made, nncf.Dataset([np.ones((1, 3, 8, 8), np.float32)] * 2), subset_size=2)
    openvino.Core().compile_model(made, "CPU")
elif sys.argv[2] == "index":
    import omlzoo
    from drawn_rows import random_embeddings
    omlzoo.build_index(random_embeddings(50), backend="milvus", uri=sys.argv[3] + "/a.db").save(sys.argv[3] + "/x")
    omlzoo.build_index(random_embeddings(50), backend="faiss")
else:
    main(["list"])
    main(["embed", "resnet_small_omniglot", sys.argv[3], "-o", sys.argv[3] + "/e.parquet"])
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("watcher") / "watcher.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "watcher.c", "-ldl"], check=True)
    return library


def watched(watcher: Path, tmp_path: Path, program: str, *arguments: str) -> tuple[list[str], list[str]]:
    """Whom a program of a fresh home looked up or connected to, beyond this machine, and the files it left there."""
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "OMLZOO_", "XDG_", "ORT_"))
    }
    environment = {**kept, "HOME": str(home), "LD_PRELOAD": str(watcher), "WATCHER_LOG": str(log),
                   "PYTHONPATH": ":".join(sys.path)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = log.read_text().splitlines() if log.exists() else []
    local = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
    spoken = [line for line in lines if not line.endswith(local)]
    return spoken, sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("work", ["engine", "openvino", "index", "embed"])
def test_nobody_is_told(work: str, watcher: Path, tmp_path: Path, drawn: Path) -> None:
    if work == "engine":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    if work == "openvino":
        pytest.importorskip("nncf", reason="nncf is not installed")
    folder = tmp_path / "folder"
    folder.mkdir()
    if work == "embed":
        for picture in sorted(drawn.parent.rglob("*.png"))[:3]:
            (folder / picture.name).write_bytes(picture.read_bytes())
    spoken, files = watched(watcher, tmp_path, WORK, "0", work, str(folder))
    assert spoken == []
    assert [name for name in files if "omlzoo" not in name] == []


@pytest.mark.slow
def test_nobody_is_told_later_either(watcher: Path, tmp_path: Path) -> None:
    """onnxruntime 1.31 looked its maker's host up within 30 seconds."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert watched(watcher, tmp_path, WORK, "40", "engine", str(tmp_path)) == ([], [])


@pytest.mark.parametrize("program", ["import socket; socket.create_connection(('192.0.2.1', 9), 0.05)",
                                     "import socket; socket.getaddrinfo('events.example', 80)"])  # fmt: skip
def test_the_watcher_sees_who_speaks(program: str, watcher: Path, tmp_path: Path) -> None:
    spoken, _ = watched(watcher, tmp_path, f"try:\n    {program}\nexcept OSError: pass")
    assert spoken in (["looks up 192.0.2.1", "connects to 192.0.2.1"], ["looks up events.example"])

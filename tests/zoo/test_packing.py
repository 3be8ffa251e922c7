"""A packed checkpoint is installed by pip into a fresh environment, listed there and built offline."""

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from toys import toy

import omlzoo
from omlzoo.cli import main
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.files import file_digest
from omlzoo.zoo.packing import pack

PROJECT = Path(omlzoo.__file__).parent.parent
USE = """
import json, sys, torch, omlzoo
model = omlzoo.shoes()
print(json.dumps({
    "listed": "shoes" in omlzoo.list_models(), "pinned": "shoes" in omlzoo.list_models(pinned=True),
    "imported": [name for name in sys.modules if name.startswith("omlzoo_shoes")],
    "sum": float(sum(value.double().sum() for value in model.state_dict().values())),
    "vector": model(torch.ones(1, 3, 32, 32))[0, :4].tolist(),
}))
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The Python of a fresh environment, which sees this one's packages (a torch for each test would take minutes)."""
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh/bin/python"
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n{PROJECT}\n")
    return python


def installed(python: Path, wheel: Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(list(map(str, command)), check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})


def test_pip_install_adds_the_name(tmp_path: Path, environment: Path) -> None:
    model = toy("resnet_toy")
    model.save(tmp_path / "shoes")
    start = time.monotonic()
    wheel = pack(tmp_path / "shoes", tmp_path / "dist")
    installed(environment, wheel)
    assert time.monotonic() - start < 20
    environ = {**os.environ, "OMLZOO_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [environment, "-c", USE], capture_output=True, text=True, env=environ, check=True, cwd=tmp_path
    )
    found = json.loads(done.stdout)
    assert (found["listed"], found["pinned"], found["imported"]) == (True, True, [])
    assert found["sum"] == float(sum(value.double().sum() for value in model.state_dict().values()))
    with torch.inference_mode():
        assert found["vector"] == pytest.approx(model(torch.ones(1, 3, 32, 32))[0, :4].tolist(), abs=1e-6)


def test_the_wheel_holds_the_very_file_and_nothing_that_runs(tmp_path: Path) -> None:
    toy("resnet_toy").save(tmp_path / "shoes")
    wheel = pack(tmp_path / "shoes", tmp_path / "dist")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        entry = json.loads(opened.read("omlzoo_shoes/entry.json"))
        weights = opened.read("omlzoo_shoes/model.safetensors")
        points = opened.read("omlzoo_shoes-1.0.0.dist-info/entry_points.txt").decode()
    assert not [name for name in names if name.endswith((".py", ".pth"))]
    assert points.split() == ["[omlzoo.checkpoints]", "shoes", "=", "omlzoo_shoes"]
    assert entry["package"]["sha256"] == file_digest(tmp_path / "shoes/model.safetensors")
    assert entry["package"]["size"] == len(weights)
    wanted = toy("resnet_toy").state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in load(weights).items())


def test_the_same_checkpoint_gives_the_same_wheel_and_another_is_not_replaced(tmp_path: Path) -> None:
    toy("resnet_toy").save(tmp_path / "shoes")
    wheel = pack(tmp_path / "shoes", tmp_path / "dist")
    before = wheel.read_bytes()
    with pytest.warns(OmlzooWarning, match="was there; it is replaced"):
        assert pack(tmp_path / "shoes", tmp_path / "dist").read_bytes() == before
    toy("resnet_toy", seed=1).save(tmp_path / "other")
    with pytest.raises(
        BadInput, match=r"is there with other content; give another version \(--version\), or overwrite"
    ):
        pack(tmp_path / "other", tmp_path / "dist", name="shoes")
    assert wheel.read_bytes() == before
    with pytest.warns(OmlzooWarning, match="it is replaced"):
        pack(tmp_path / "other", tmp_path / "dist", name="shoes", overwrite=True)
    assert wheel.read_bytes() != before
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [wheel.name]


@pytest.mark.parametrize(("name", "version", "said"), [
    ("embed", "1.0", "which is one of omlzoo itself"), ("losses", "1.0", "which is one of omlzoo itself"),
    ("vits16_dino", "1.0", "which is one of omlzoo itself"), ("a-b", "1.0", "it must be a letter"), ("1a", "1.0", "it must be a letter"),
    ("", "1.0", "it must be a letter"), ("shoes", "", "it must be a version"), ("shoes", "one", "version is 'one'"),
    ("shoes", "1.0; rm", "it must be a version"),
])  # fmt: skip
def test_odd_names_and_versions_are_refused(tmp_path: Path, name: str, version: str, said: str) -> None:
    toy("resnet_toy").save(tmp_path / "shoes")
    with pytest.raises(BadInput, match=said):
        pack(tmp_path / "shoes", tmp_path / "dist", name=name, version=version)
    assert not list((tmp_path / "dist").glob("*"))


def test_the_command_prints_the_wheel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy("resnet_toy").save(tmp_path / "shoes")
    assert (
        main(["pack", str(tmp_path / "shoes"), "-o", str(tmp_path / "dist"), "--name", "my_shoes", "--version", "2.1"])
        == 0
    )
    (wheel,) = (tmp_path / "dist").iterdir()
    assert wheel.name == "omlzoo_my_shoes-2.1-py3-none-any.whl"
    assert capsys.readouterr().out.split() == [str(wheel)]
    assert main(["pack", "resnet_small_omniglot", "-o", str(tmp_path / "dist")]) == 2

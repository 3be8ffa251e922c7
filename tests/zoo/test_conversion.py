"""A foreign file becomes a folder that opens by the same call, or is refused with what was found."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import reference_layouts as ref
import torch
from references import random_resnet, random_vit, resnet_forward, vit_forward

import omlzoo
from omlzoo.errors import BadInput, OmlzooError, OmlzooWarning, UnknownName, WeightsMismatch
from omlzoo.zoo.conversion import convert
from omlzoo.zoo.fingerprint import check

RESNET = random_resnet((2, 2, 2, 2), (64, 128, 256, 512), False, seed=3)
PICTURES = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def test_a_file_becomes_a_checkpoint_that_computes_the_same(tmp_path: Path) -> None:
    torch.save(ref.as_moco_v2_resnet(RESNET), tmp_path / "moco.pth.tar")
    entry, layout = convert(tmp_path / "moco.pth.tar", "resnet18", tmp_path / "mine")
    assert layout == "moco_resnet"
    assert (entry.name, entry.repo, entry.license, entry.metrics) == ("mine", None, None, ())
    assert "moco.pth.tar" in entry.source
    model = omlzoo.get_model(tmp_path / "mine")
    with torch.inference_mode():
        found, wanted = model(PICTURES), resnet_forward(RESNET, PICTURES)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5
    assert entry.fingerprint is not None
    assert check(model, entry.fingerprint, "mine") < 1e-6
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["entry.json", "model.safetensors"]


def test_the_layout_can_be_given_and_the_example_chosen(tmp_path: Path) -> None:
    state = random_vit(384, 12, 16, 14, seed=4)
    torch.save(state, tmp_path / "x.pth")
    entry, layout = convert(tmp_path / "x.pth", "vits16", tmp_path / "a", layout="timm_vit", like="vits16_sop")
    assert layout == "timm_vit"
    assert entry.normalize
    assert entry.preprocess == omlzoo.get_weights("vits16_sop").preprocess
    with torch.inference_mode():
        found = omlzoo.get_model(tmp_path / "a", normalize=False)(PICTURES)
    wanted = vit_forward(state, PICTURES, heads=6)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-5


def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    torch.save(RESNET, tmp_path / "x.pth")
    out = tmp_path / "out"
    with pytest.raises(UnknownName, match="did you mean resnet18"):
        convert(tmp_path / "x.pth", "resnet8", out)
    with pytest.raises(WeightsMismatch, match="do not fit resnet34"):
        convert(tmp_path / "x.pth", "resnet34", out)
    with pytest.raises(BadInput, match="no such file"):
        convert(tmp_path / "y.pth", "resnet18", out)
    with pytest.raises(BadInput, match="vits16_dino is a vits16, not a resnet18"):
        convert(tmp_path / "x.pth", "resnet18", out, like="vits16_dino")
    with pytest.raises(BadInput, match="no checkpoint of the zoo is a resnet_toy"):
        convert(tmp_path / "x.pth", "resnet_toy", out)
    torch.save({"decoder": torch.ones(1)}, tmp_path / "z.pth")
    with pytest.raises(WeightsMismatch, match="fits none of .*; its first keys are decoder"):
        convert(tmp_path / "z.pth", "resnet18", out)
    torch.save({**RESNET, "conv1.weight": RESNET["conv1.weight"] * float("nan")}, tmp_path / "n.pth")
    with pytest.raises(WeightsMismatch, match=r"values of conv1\.weight are NaN"):
        convert(tmp_path / "n.pth", "resnet18", out)
    assert not out.exists()
    convert(tmp_path / "x.pth", "resnet18", out)
    with pytest.raises(BadInput, match="already"):
        convert(tmp_path / "x.pth", "resnet18", out)


def test_the_same_file_opens_as_weights_and_its_layout_is_said(tmp_path: Path) -> None:
    torch.save(ref.as_lightly(RESNET), tmp_path / "x.ckpt")
    with pytest.warns(OmlzooWarning, match="read in the layout lightly"):
        model = omlzoo.get_model("resnet18_imagenet1k_v1", weights=tmp_path / "x.ckpt")
    with torch.inference_mode():
        assert torch.allclose(model(PICTURES), resnet_forward(RESNET, PICTURES), rtol=1e-4, atol=1e-5)


def test_a_conversion_that_is_killed_leaves_no_checkpoint_and_the_next_one_works(tmp_path: Path) -> None:
    torch.save(RESNET, tmp_path / "x.pth")
    out = tmp_path / "out"
    code = "import sys; from omlzoo.zoo.conversion import convert; convert(sys.argv[1], 'resnet18', sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "x.pth"), str(out)])
    deadline = time.monotonic() + 60
    while not list(out.glob(".*.part")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert list(out.glob(".*.part"))
    with pytest.raises(OmlzooError):
        omlzoo.get_model(out)
    convert(tmp_path / "x.pth", "resnet18", out)
    assert sorted(path.name for path in out.iterdir()) == ["entry.json", "model.safetensors"]
    omlzoo.get_model(out)


MEMORY = """
import resource, sys, json
from pathlib import Path
from omlzoo.checkpoints import layouts, safe_load
import torch
path, out = Path(sys.argv[1]), Path(sys.argv[2])
def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1000
before = held()
raw = safe_load.open_file(path, "x")
state = layouts.convert(raw, "lightly", "x")
from safetensors.torch import save_file
save_file({key: value.contiguous() for key, value in state.items()}, out)
print(json.dumps(held() - before))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to read the memory")
def test_conversion_holds_no_copy_of_the_file(tmp_path: Path) -> None:
    big = {f"backbone.layer4.{i}.weight": torch.zeros(4_000_000) + i for i in range(16)}  # 256 MB
    torch.save({"state_dict": {**big, "projection_head.weight": torch.ones(1)}}, tmp_path / "big.ckpt")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path / "big.ckpt"), str(tmp_path / "o.safetensors")],
                           capture_output=True, text=True, check=True, env=environment)  # fmt: skip
    assert json.loads(found.stdout) < 64  # MB that are its own; the mapped file is the system's

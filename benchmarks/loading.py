"""Seconds and memory of ViT-S/16 from a local, verified file."""

import tempfile
from pathlib import Path

import torch
from measuring import arguments, forget_peak, memory, peer, ratio, seconds, show

import omlzoo

if __name__ == "__main__":
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        first = omlzoo.vits16_dino(pretrained=False)
        first.save(f"{folder}/model")
        torch.save({"state_dict": first.state_dict()}, f"{folder}/model.ckpt")
        size = Path(f"{folder}/model/model.safetensors").stat().st_size / 1e6
        del first
        ours = seconds(lambda: omlzoo.get_model(f"{folder}/model"), runs=9)
        forget_peak()
        before = memory()
        model = omlzoo.get_model(f"{folder}/model")
        after_load = memory() - before
        with torch.inference_mode():
            model(torch.zeros(1, 3, 224, 224))
        after_forward = memory() - before
        theirs = peer(args.oml, "load", f"{folder}/model.ckpt")
    show("loading", seconds=ours, limit=0.06, oml_seconds=theirs and theirs["seconds"], times_oml=ratio(theirs, "seconds", ours),
         file_mb=size, growth_mb_after_load=after_load, growth_mb_after_forward=after_forward,
         growth_over_file=after_forward / size, growth_limit=1.7)  # fmt: skip

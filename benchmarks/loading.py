"""Seconds and memory of ViT-S/16 and ViT-L/14 from a local, verified file."""

import tempfile
from pathlib import Path

import torch
from measuring import arguments, forget_peak, memory, peer, ratio, seconds, show

import omlzoo

LIMITS = {
    "vits16_dino": {"seconds": 0.06, "growth_over_file_after_forward": 1.7},
    "vitl14_dinov2": {"seconds": 0.25, "growth_mb_after_load": 100},
}

if __name__ == "__main__":
    args = arguments(__doc__)
    for name, limits in LIMITS.items():
        with tempfile.TemporaryDirectory() as folder:
            first = omlzoo.get_model(name, weights=None)
            first.save(f"{folder}/model")
            size = Path(f"{folder}/model/model.safetensors").stat().st_size / 1e6
            theirs = None
            if args.oml and name == "vits16_dino":
                torch.save({"state_dict": first.state_dict()}, f"{folder}/model.ckpt")
                theirs = peer(args.oml, "load", f"{folder}/model.ckpt")
            side = first.transforms().preprocess.crop[0]
            del first
            omlzoo.get_model(f"{folder}/model")  # hashed once
            ours = seconds(lambda: omlzoo.get_model(f"{folder}/model"), runs=9)
            forget_peak()
            before = memory()
            model = omlzoo.get_model(f"{folder}/model")
            after_load = memory() - before
            with torch.inference_mode():
                model(torch.zeros(1, 3, side, side))
            after_forward = memory() - before
            del model
        show(f"loading {name}", seconds=ours, limits=limits, oml_seconds=theirs and theirs["seconds"],
             times_oml=ratio(theirs, "seconds", ours), file_mb=size, growth_mb_after_load=after_load,
             growth_mb_after_forward=after_forward, growth_over_file_after_forward=after_forward / size)  # fmt: skip

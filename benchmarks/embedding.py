"""Images per second from JPEG files to vectors, ViT-S/16 or ResNet-50 at 224, with the share of what decode and model
allow.

python benchmarks/embedding.py [--oml PYTHON] [--size PICTURES] [--arch vits16|resnet50] [--runtime torch|onnx]
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from measuring import Results, arguments, peer, seconds
from PIL import Image

import omlzoo
from omlzoo.data.images import to_rgb
from omlzoo.embedding.options import ComputeOptions, Runtime
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.models._extractor import Extractor


def draw(folder: Path, count: int) -> list[Path]:
    """Noisy 500 x 500 JPEGs of quality 90, about 110 kB each."""
    random = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(random.uniform(0, 255, (8, 8, 3)).astype(np.uint8)).resize(
            (500, 500), Image.Resampling.BICUBIC
        )
        noisy = np.clip(np.asarray(coarse, dtype=np.float32) + random.normal(0, 15, (500, 500, 3)), 0, 255).astype(
            np.uint8
        )
        Image.fromarray(noisy).save(folder / f"{i:04d}.jpg", quality=90)
    return sorted(folder.glob("*.jpg"))


NAMES = {"vits16": "vits16_dino", "resnet50": "resnet50_imagenet1k_v1"}


def core_seconds(model: Extractor, files: list[Path], runtime: Runtime) -> tuple[float, float]:
    """Seconds of one core for decoding and for the model, per picture."""
    transform = model.transforms()
    decode = seconds(lambda: [transform.pixels(to_rgb(path)) for path in files[:32]], runs=3) / 32
    pipeline = Pipeline.of(model, ComputeOptions(device="cpu", runtime=runtime))
    pixels, _ = pipeline.decode([(path, None) for path in files[:32]])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    forward = seconds(lambda: pipeline.vectors(pixels), runs=3) / 32
    torch.set_num_threads(threads)
    return decode, forward


if __name__ == "__main__":
    args = arguments(__doc__, arch=list(NAMES), runtime=["torch", "onnx"])
    model = omlzoo.get_model(NAMES[args.arch], weights=None)
    facts = model.weights
    model.weights = type(facts)(replace(facts.entry, preprocess=facts.entry.preprocess_oml))  # the peer's own
    with tempfile.TemporaryDirectory() as name:
        files = draw(Path(name), args.size or 512)
        omlzoo.embed(model, files[:32], runtime=args.runtime)
        start = time.perf_counter()
        found = omlzoo.embed(model, files, runtime=args.runtime)
        rate = len(files) / (time.perf_counter() - start)
        exact = omlzoo.embed(model, files[:64], precision="fp32").vectors
        decode, forward = core_seconds(model, files, args.runtime)
        theirs = peer(args.oml, "embed", name, args.arch)
    cores = 2
    cosine = (
        (found.vectors[:64] * exact).sum(1) / np.linalg.norm(found.vectors[:64], axis=1) / np.linalg.norm(exact, axis=1)
    )
    allowed = cores / (decode + forward)
    results = Results("embedding")
    results.add(f"{len(files)} files, {args.arch}, {found.record.precision} by {args.runtime}", rate, "pictures/s", more=True,
                peer=theirs and theirs["images_per_second"], peer_name="OML", limit=0.8 * allowed,
                worst_cosine_to_fp32=float(cosine.min()), decode_core_seconds=decode, model_core_seconds=forward)  # fmt: skip
    results.write()

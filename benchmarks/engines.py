"""JPEG files to vectors by every precision and engine, in turn, beside float32 by torch; and a model alone on one core.

python benchmarks/engines.py [--model vits16_dino] [--size 48] [--folder FOLDER] [--runs 3] [--only files|model|attention]

Weights that are not here are random. ``cpu_ratio`` counts processor seconds, which other programs change less than wall.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from embedding import draw
from measuring import Results

import omlzoo
from omlzoo import catalog
from omlzoo.embedding import rehearsal
from omlzoo.embedding.choices import _choices
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.errors import WeightsUnavailable
from omlzoo.models._extractor import Extractor

WAYS = (("fp32", "torch"), ("bf16", "torch"), ("fp32", "onnx"), ("fp32", "openvino"), ("bf16", "openvino"))


def in_turn(cases: dict[str, Callable[[], object]], runs: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds of each, after a call that is not counted."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for call in cases.values():
        call()
    for _ in range(runs):
        for name, call in cases.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: (median(w for w, _ in each), median(c for _, c in each)) for name, each in seconds.items()}


def of_files(model: Extractor, files: list[Path], runs: int, results: Results) -> None:
    """The whole way, as a user has it."""
    vectors: dict[str, np.ndarray] = {}

    def case(precision: str, runtime: str) -> Callable[[], object]:
        def call() -> None:
            found = omlzoo.embed(model, files, precision=precision, runtime=runtime, progress=False)  # type: ignore[arg-type]
            vectors[f"{precision} by {runtime}"] = found.vectors

        return call

    times = in_turn({f"{p} by {r}": case(p, r) for p, r in WAYS}, runs)
    first = next(iter(times))
    for name, (wall, cpu) in times.items():
        cosine = rehearsal.centred_cosine(vectors[name], vectors[first])
        results.add(f"{len(files)} files, {name}", len(files) / wall, "pictures/s", more=True, peer=len(files) / times[first][0],
                    peer_name=first, cpu_ratio=times[first][1] / cpu, centred_cosine=cosine)  # fmt: skip


def of_model(model: Extractor, files: list[Path], results: Results) -> None:
    """The rehearsal itself, with longer rounds: processor seconds of one core."""
    options, device = ComputeOptions(runtime="auto"), torch.device("cpu")
    runs = {way: Pipeline.of(model, replace(options, **asdict(way))) for way in _choices(options, device, None)}
    pixels, _ = next(iter(runs.values())).decode([(file, None) for file in files[:16]])
    rehearsal.ROUNDS, rehearsal.LONGEST = 5, 60.0
    found = rehearsal.rehearse({way: run.vectors for way, run in runs.items()}, [p for p in pixels if p is not None], device)  # fmt: skip
    for way, gain in found.gains.items():
        results.add(f"the model alone, {way}", gain, "x float32 by torch", more=True, taken=str(found.taken))


def of_attention(model: Extractor, runs: int, results: Results) -> None:
    """bfloat16 with torch's fused attention and with attention written out: inference and a training step, one core."""
    import copy

    torch.set_num_threads(1)
    explicit = copy.deepcopy(model)
    catalog.shared("models._attention", "explicit_in_bf16")(explicit)
    images = torch.randn(8, 3, *model.entry.preprocess.crop)

    def inference(body: Extractor, half: bool) -> Callable[[], object]:
        body = copy.deepcopy(body).to(torch.bfloat16 if half else torch.float32)
        given = images.to(next(body.parameters()).dtype)

        def call() -> None:
            with torch.inference_mode():
                body(given)

        return call

    def step(body: Extractor, half: bool) -> Callable[[], object]:
        body = copy.deepcopy(body).train()

        def call() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                vectors = body(images)
            vectors.float().square().sum().backward()
            body.zero_grad()

        return call

    for what, way in (("inference", inference), ("forward and backward", step)):
        cases = {"fp32": way(model, False), "bf16 fused": way(model, True), "bf16 explicit": way(explicit, True)}
        times = in_turn(cases, runs)
        for name, (_, cpu) in times.items():
            results.add(f"attention, {what}, {name}", cpu, "processor s", peer=times["fp32"][1], peer_name="fp32")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vits16_dino")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="every benchmark takes it; here it changes nothing")
    parser.add_argument("--only", choices=["files", "model", "attention"])
    args = parser.parse_args()
    torch.manual_seed(0)
    results = Results("engines")
    try:
        model = omlzoo.get_model(args.model)
    except WeightsUnavailable:
        model = omlzoo.get_model(args.model, weights=None)
    with tempfile.TemporaryDirectory() as name:
        files = sorted(args.folder.rglob("*.jpg"))[: args.size] if args.folder else draw(Path(name), args.size)
        if args.only in (None, "attention") and any(hasattr(part, "fused_attn") for part in model.modules()):
            of_attention(model, args.runs, results)
        if args.only in (None, "model"):
            of_model(model, files, results)
        if args.only in (None, "files"):
            of_files(model, files, args.runs, results)
    results.write()

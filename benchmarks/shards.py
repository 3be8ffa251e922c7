"""Large photographs, resumption and memory of embedding; what smaller forms and truncation cost in search.

python benchmarks/shards.py [--only large|resume|memory|forms] [--table TABLE --model MODEL]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from embedding import draw
from measuring import forget_peak, memory, show
from PIL import Image

import omlzoo
from omlzoo.data.images import to_rgb
from omlzoo.data.table import Table
from omlzoo.embedding import extraction, shard_writer
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.shards import Shards
from omlzoo.metrics import retrieval


def photographs(folder: Path, count: int) -> list[Path]:
    """JPEGs of 3000 x 4000 with noise, about 4 MB each."""
    random = np.random.default_rng(0)
    noise = random.normal(0, 15, (3000, 4000, 3)).astype(np.float32)
    for i in range(count):
        coarse = Image.fromarray(random.uniform(0, 255, (60, 80, 3)).astype(np.uint8))
        smooth = np.asarray(coarse.resize((4000, 3000), Image.Resampling.BICUBIC), dtype=np.float32)
        Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=90)
    return sorted(folder.glob("*.jpg"))


def large(table: Path, model: str) -> None:
    transform = omlzoo.get_weights("vits16_dino").transforms()
    side = transform.preprocess.resize
    with tempfile.TemporaryDirectory() as name:
        files = photographs(Path(name), 6)

        def rate(least: tuple[int, int] | None) -> float:
            begun = time.perf_counter()
            for file in files:
                transform.pixels(to_rgb(file, least=least))
            return len(files) / (time.perf_counter() - begun)

        rate(side)
        exact, fast = rate(None), rate(side)
        levels = [(transform.pixels(to_rgb(file)).int() - transform.pixels(to_rgb(file, least=side)).int()).abs().float()
                  for file in files[:3]]  # fmt: skip
    show("large photographs", exact_per_second=exact, fast_per_second=fast, times=fast / exact, limit=3,
         mean_levels=float(np.mean([level.mean() for level in levels])), most_levels=float(max(level.max() for level in levels)))  # fmt: skip
    frame = pd.read_csv(table)
    frame = frame[frame["split"] == "validation"].groupby("label").head(12)
    with tempfile.TemporaryDirectory() as name:  # the same photographs, eight times as large
        for row, path in enumerate(frame["path"]):
            image = to_rgb(table.parent / path)
            image.resize((image.width * 8, image.height * 8), Image.Resampling.BICUBIC).save(
                Path(name) / f"{row}.jpg", quality=90
            )
        paths = [Path(name) / f"{row}.jpg" for row in range(len(frame))]
        vectors = [omlzoo.embed(model, paths, fast=fast, progress=False).vectors for fast in (False, True)]
    cosine = (vectors[0] * vectors[1]).sum(axis=1)
    cmc = [retrieval(each, frame["label"].to_numpy())["cmc@1"] for each in vectors]
    show("fast decoding in search", pictures=len(frame), model=model, least_cosine=float(cosine.min()), mean_cosine=float(cosine.mean()),
         cmc_exact=cmc[0], cmc_fast=cmc[1])  # fmt: skip


def resume(model: str) -> None:
    """Two files of the usual size beside the same pictures in memory."""
    count = 2 * shard_writer.ROWS
    with tempfile.TemporaryDirectory() as name:
        drawn = draw(Path(name), 200)
        frame = pd.DataFrame({"path": [f"link{i:05d}.jpg" for i in range(count)]})
        for row, path in enumerate(frame["path"]):
            (Path(name) / path).symlink_to(drawn[row % len(drawn)])

        def seconds(folder: str, rows: int) -> float:
            begun = time.perf_counter()
            omlzoo.embed_shards(model, frame.head(rows), Path(name) / folder, root=name, progress=False)
            return time.perf_counter() - begun

        seconds("warm", 64)
        plain, kept = [], []
        for turn in range(3):
            begun = time.perf_counter()
            omlzoo.embed(model, frame, root=name, progress=False)
            plain.append(time.perf_counter() - begun)
            kept.append(seconds(f"v{turn}", count))
        again = seconds("v0", count)
    show("resumption", pictures=count, files=2, in_memory_seconds=sorted(plain)[1], in_shards_seconds=sorted(kept)[1],
         overhead=sorted(kept)[1] / sorted(plain)[1] - 1, overhead_limit=0.02, seconds_when_all_is_there=again)  # fmt: skip


def million(rows: int) -> None:
    """A stand-in for decoding and model: what is left is our own memory and time."""
    Pipeline.batches = (
        lambda self, jobs, size, workers: (  # type: ignore[method-assign,assignment]
            (np.full((len(jobs[i : i + 4096]), self.model.dim), 0.5, dtype=np.float32), [""] * len(jobs[i : i + 4096]))
            for i in range(0, len(jobs), 4096)
        )
    )
    model = omlzoo.get_model("resnet_small_omniglot")
    run = Pipeline.of(model, ComputeOptions(precision="fp32", workers=2, device="cpu"))
    with tempfile.TemporaryDirectory() as name:
        for count in (rows // 10, rows):
            table = Table(pd.DataFrame({"path": [f"{i:07d}.jpg" for i in range(count)]}), Path(name), "made")
            shards = Shards.open(Path(name) / f"v{count}", extraction.record_of(model, Path(name), run))
            for what, act in (
                ("embedding", lambda: shard_writer.fill_shards(shards, table, run, False)),  # noqa: B023
                ("finding out that all is there", lambda: shards.missing(table)),  # noqa: B023
                ("taking other values", lambda: shards.refresh(table)),  # noqa: B023
            ):
                forget_peak()
                before, begun = memory(), time.perf_counter()
                act()
                show("memory", what=what, rows=count, peak_mb_above_the_table=memory("VmHWM") - before,
                     seconds=time.perf_counter() - begun, vectors_mb=count * model.dim * 4 / 1e6)  # fmt: skip


def forms(table: Path, model: str) -> None:
    """CMC@1 and MAP@R of what is kept after each form and after truncation."""
    frame = pd.read_csv(table)
    rows = frame[frame["split"] == "validation"].reset_index(drop=True)
    found = omlzoo.embed(model, rows, root=table.parent, progress=False)
    labels = rows["label"].to_numpy()
    with tempfile.TemporaryDirectory() as name:
        for form in ("float32", "float16", "int8"):
            found.save(Path(name) / "e.parquet", form=form)  # type: ignore[arg-type]
            kept: Embeddings = omlzoo.load_embeddings(Path(name) / "e.parquet")
            metrics = retrieval(kept.vectors, labels)
            show(
                form,
                mb=(Path(name) / "e.parquet").stat().st_size / 1e6,
                cmc=metrics["cmc@1"],
                map_at_r=metrics["map@r"],
            )
    for dim in (256, 128, 64, 32):
        if dim < found.record.dim:
            metrics = retrieval(found.truncated(dim).vectors, labels)
            show(f"first {dim} of {found.record.dim}", cmc=metrics["cmc@1"], map_at_r=metrics["map@r"])


if __name__ == "__main__":
    shared = Path(__file__).parent.parent.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["large", "resume", "memory", "forms"])
    parser.add_argument("--table", type=Path, default=shared / "grocery" / "grocery.csv")
    parser.add_argument("--model", default="resnet_small_omniglot")
    parser.add_argument("--size", type=int, default=1_000_000)
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.only in (None, "large"):
        large(args.table, args.model)
    if args.only in (None, "forms"):
        forms(args.table, args.model)
    if args.only in (None, "resume"):
        resume(args.model)
    if args.only in (None, "memory"):
        million(args.size)

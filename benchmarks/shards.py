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
from measuring import Results, forget_peak, memory
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

RESULTS = Results("shards")


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
    RESULTS.add("photographs of 12 megapixels decoded at a smaller size", fast, "pictures/s", more=True, peer=exact, peer_name="whole", limit=3 * exact,
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
    RESULTS.add(
        "fast decoding, CMC@1",
        cmc[1],
        "",
        more=True,
        peer=cmc[0],
        peer_name="exact decoding",
        pictures=len(frame),
        model=model,
    )
    RESULTS.add(
        "fast decoding, worst cosine", float(cosine.min()), "", more=True, limit=1.0, mean_cosine=float(cosine.mean())
    )


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
    plain_seconds, kept_seconds = sorted(plain)[1], sorted(kept)[1]
    RESULTS.add(
        f"{count:,} pictures embedded into a folder",
        kept_seconds,
        "s",
        peer=plain_seconds,
        peer_name="in memory",
        limit=1.02 * plain_seconds,
    )
    RESULTS.add(f"{count:,} pictures, all there already", again, "s", peer=kept_seconds, peer_name="embedding them")


def million(rows: int) -> None:
    """A stand-in for decoding and model: what is left is our own memory and time."""
    Pipeline.batches = (
        lambda self, jobs, **_: (  # type: ignore[method-assign,assignment]
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
                RESULTS.add(f"{what}, {count:,} rows", time.perf_counter() - begun, "s", peak_mb=memory("VmHWM") - before,
                            vectors_mb=count * model.dim * 4 / 1e6)  # fmt: skip


def forms(table: Path, model: str) -> None:
    """CMC@1 and MAP@R of what is kept after each form and after truncation."""
    frame = pd.read_csv(table)
    rows = frame[frame["split"] == "validation"].reset_index(drop=True)
    found = omlzoo.embed(model, rows, root=table.parent, progress=False)
    labels, whole = rows["label"].to_numpy(), 0.0
    with tempfile.TemporaryDirectory() as name:
        for form in ("float32", "float16", "int8"):
            found.save(Path(name) / "e.parquet", form=form)  # type: ignore[arg-type]
            kept: Embeddings = omlzoo.load_embeddings(Path(name) / "e.parquet")
            metrics = retrieval(kept.vectors, labels)
            whole = whole if form != "float32" else metrics["map@r"]
            size = (Path(name) / "e.parquet").stat().st_size / 1e6
            RESULTS.add(
                f"kept as {form}, MAP@R", metrics["map@r"], "", more=True, limit=whole, mb=size, cmc=metrics["cmc@1"]
            )
    for dim in (256, 128, 64, 32):
        if dim < found.record.dim:
            metrics = retrieval(found.truncated(dim).vectors, labels)
            RESULTS.add(
                f"first {dim} of {found.record.dim} numbers, MAP@R",
                metrics["map@r"],
                "",
                more=True,
                limit=whole,
                cmc=metrics["cmc@1"],
            )


if __name__ == "__main__":
    shared = Path(__file__).parent.parent.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["large", "resume", "memory", "forms"])
    parser.add_argument("--table", type=Path, default=shared / "grocery" / "grocery.csv")
    parser.add_argument("--model", default="resnet_small_omniglot")
    parser.add_argument("--size", type=int, help="rows of the stand-in; 100,000 by default, a million with --large")
    parser.add_argument("--large", action="store_true", help="also photographs and resumption, which take minutes")
    parser.add_argument("--oml", help="not needed")
    args = parser.parse_args()
    if not args.table.exists() and args.only in (None, "large", "forms"):
        raise SystemExit(f"{args.table} is not here; give --table")
    torch.manual_seed(0)
    if args.only == "large" or (args.large and args.only is None):
        large(args.table, args.model)
    if args.only in (None, "forms"):
        forms(args.table, args.model)
    if args.only == "resume" or (args.large and args.only is None):
        resume(args.model)
    if args.only in (None, "memory"):
        million(args.size or (1_000_000 if args.large else 100_000))
    RESULTS.write()

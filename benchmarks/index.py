"""Search in an index: exact beside torch's plain product, approximate beside exact, by recall and speed.

python benchmarks/index.py [--size 100000] [--embeddings FILE]   (FILE: embeddings of one's own instead of made ones)
python benchmarks/index.py --curves docs/recall.svg

Every index has answered 1,280 queries before it is timed: exact search makes its bytes meanwhile.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measuring import seconds, show

import omlzoo
from omlzoo import catalog
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput

DIM = 384
BACKENDS: dict[str, dict[str, object]] = {
    "exact": {}, "faiss": {}, "faiss 64 wide": {"search_width": 64},
    "faiss_float16": {}, "faiss_int8": {}, "faiss_binary": {}, "faiss_ivfpq": {},
}  # fmt: skip


def made(rows: int) -> np.ndarray:
    """Unit vectors of 5,000 labels, with a spectrum that falls as i^-0.75: of low intrinsic dimension, as embeddings are."""
    random = np.random.default_rng(0)
    spectrum = np.arange(1, DIM + 1) ** -0.75
    centres = random.normal(size=(5000, DIM)) * spectrum
    vectors = centres[random.integers(0, 5000, rows)] + 0.5 * random.normal(size=(rows, DIM)) * spectrum
    vectors = (vectors @ np.linalg.qr(random.normal(size=(DIM, DIM)))[0]).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


CURVES: dict[str, tuple[str, tuple[int, ...]]] = {
    "faiss": ("search_width", (16, 24, 32, 48, 64, 96, 128, 256)),
    "faiss_ivfpq": ("probes", (1, 2, 4, 8, 16, 32, 64)),
    "faiss_binary": ("spare", (2, 5, 10, 20, 50, 100)),
}


def curves(embeddings: Embeddings, queries: np.ndarray, out: Path) -> None:
    """Recall@10 against queries a second, one at a time: of each backend a curve, exact search a point."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    exact = omlzoo.build_index(embeddings)
    for _ in range(5):
        wanted = exact.rows.searcher.search(queries, 10)[0]

    def rate(searcher: object) -> float:
        times = []
        for row in range(len(queries)):
            begun = time.perf_counter()
            searcher.search(queries[row : row + 1], 10)  # type: ignore[attr-defined]
            times.append(time.perf_counter() - begun)
        return 1 / float(np.median(times))

    axis.scatter([1], [rate(exact.rows.searcher)], color="black", zorder=3, label="exact")
    for name, (option, values) in CURVES.items():
        index = omlzoo.build_index(embeddings, backend=name)
        points = []
        for value in values:
            searcher = catalog.find("index.backends", name)("cosine", embeddings.record.dim, **{option: value})
            built = index.rows.searcher
            searcher.index, searcher.rows, searcher.gone = built.index, built.rows, built.gone
            searcher.vectors, searcher.middle = built.vectors, built.middle
            found = searcher.search(queries, 10)[0]
            points.append((float((found >= wanted[:, -1:]).mean()), rate(searcher)))
            print(name, option, value, *points[-1])
        axis.plot(*zip(*points, strict=True), marker=".", label=f"{name} ({option} {values[0]} to {values[-1]})")
    axis.set(xlabel="recall@10", ylabel="queries a second, one at a time", yscale="log",
             title=f"{len(embeddings):,} vectors of {embeddings.record.dim} numbers")  # fmt: skip
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=8)
    figure.savefig(out)


def plain(vectors: torch.Tensor, queries: torch.Tensor) -> object:
    return (queries @ vectors.T).topk(10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--only", help="a backend, as shown")
    parser.add_argument("--curves", type=Path, help="draw recall against speed to that file instead")
    args = parser.parse_args()
    if args.embeddings:
        found = omlzoo.load_embeddings(args.embeddings)
        embeddings = found.rows(found.good)
    else:
        frame = pd.DataFrame(
            {"path": [f"{i}.jpg" for i in range(args.size)], "error": pd.Series([""] * args.size, dtype="str")}
        )
        record = Record("made", "0" * 64, DIM, {}, True, "fp32", "/nowhere")
        embeddings = Embeddings(made(args.size), frame, record)
    random = np.random.default_rng(1)
    chosen = random.choice(len(embeddings), 256, replace=False)
    noise = random.normal(size=(256, embeddings.record.dim)) / embeddings.record.dim**0.5
    queries = (embeddings.vectors[chosen] + 0.2 * noise).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    if args.curves:
        curves(embeddings, queries, args.curves)
        raise SystemExit
    tensors, asked = torch.from_numpy(embeddings.vectors), torch.from_numpy(queries)

    def single(search: object) -> float:
        times = []
        for row in range(100):
            begun = time.perf_counter()
            search(row)  # type: ignore[operator]
            times.append(time.perf_counter() - begun)
        return float(np.median(times)) * 1000

    for name, options in BACKENDS.items():
        if args.only not in (None, name):
            continue
        begun = time.perf_counter()
        try:
            index = omlzoo.build_index(embeddings, backend=name.split()[0], **options)  # type: ignore[arg-type]
        except BadInput as error:
            print(name, error)
            continue
        build = time.perf_counter() - begun
        with tempfile.TemporaryDirectory() as folder:
            index.save(Path(folder) / "i")
            size = sum(file.stat().st_size for file in (Path(folder) / "i").glob("backend.*")) / 1e6
        for _ in range(5):
            index.rows.searcher.search(queries, 10)
        one = single(lambda row: index.rows.searcher.search(queries[row : row + 1], 10))  # noqa: B023
        bare_one = single(lambda row: plain(tensors, asked[row : row + 1]))
        many = seconds(lambda: index.rows.searcher.search(queries, 10), runs=5)  # noqa: B023
        bare_many = seconds(lambda: plain(tensors, asked), runs=5)
        whole = single(lambda row: index.search(queries[row : row + 1], 10))  # noqa: B023
        tenth, most = np.arange(len(embeddings)) % 10 == 0, np.arange(len(embeddings)) % 10 > 0
        filtered = [single(lambda row: index.search(queries[row : row + 1], 10, where=keep)) for keep in (tenth, most)]  # noqa: B023
        show(name, rows=len(embeddings), build_and_recall_seconds=build, recall_at_10=index.recall and index.recall.value,
             one_ms=one, plain_one_ms=bare_one, times_plain_one=bare_one / one, whole_call_ms=whole,
             filter_of_a_tenth_ms=filtered[0], filter_of_nine_tenths_ms=filtered[1],
             queries_per_second=256 / many, plain_queries_per_second=256 / bare_many, times_plain_batch=bare_many / many,
             index_mb=size)  # fmt: skip

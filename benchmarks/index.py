"""Search in an index: exact beside torch's plain product, the graph beside hnswlib and usearch at equal recall, what calls,
filters, additions and removals cost, and what is in memory.

python benchmarks/index.py [--size 30000] [--large] [--embeddings FILE]   (FILE: embeddings of one's own instead of made ones)
python benchmarks/index.py --curves docs/recall.svg

Every index has answered 1,280 queries before it is timed: exact search makes its bytes meanwhile. Times are processor
time, so that what else runs on the machine changes them little.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from measuring import Results, forget_peak, memory, seconds

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
            searcher.__dict__.update(
                {key: value for key, value in built.__dict__.items() if key not in ("spare", "parameters")}
            )
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


def milliseconds(search: Callable[[int], object], runs: int = 100) -> float:
    """Median processor time of a call with a number."""
    times = []
    for row in range(runs):
        begun = time.process_time()
        search(row)
        times.append(time.process_time() - begun)
    return float(np.median(times)) * 1000


def processor(call: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def recall(ids: np.ndarray, wanted: np.ndarray) -> float:
    return float(
        np.mean(
            [len({*mine.tolist()} & {*theirs.tolist()}) / len(theirs) for mine, theirs in zip(ids, wanted, strict=True)]
        )
    )


def peers(vectors: np.ndarray) -> dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], float, float]]:
    """hnswlib and usearch with their usual settings: search with a width, seconds to build, MB; those that are installed."""
    found: dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], float, float]] = {}
    with tempfile.TemporaryDirectory() as folder, suppress(ImportError):
        import hnswlib

        graph = hnswlib.Index("ip", vectors.shape[1])
        graph.init_index(len(vectors), M=16, ef_construction=100)
        graph.set_num_threads(torch.get_num_threads())
        build = processor(lambda: graph.add_items(vectors, num_threads=torch.get_num_threads()))
        graph.save_index(f"{folder}/h")

        def of_hnswlib(queries: np.ndarray, width: int) -> np.ndarray:
            graph.set_ef(width)
            return graph.knn_query(queries, 10, num_threads=torch.get_num_threads())[0]  # type: ignore[no-any-return]

        found["hnswlib"] = of_hnswlib, build, Path(folder, "h").stat().st_size / 1e6
    with tempfile.TemporaryDirectory() as folder, suppress(ImportError):
        from usearch.index import Index as Usearch

        other = Usearch(ndim=vectors.shape[1], metric="ip", dtype="bf16", connectivity=16, expansion_add=100)
        build = processor(lambda: other.add(np.arange(len(vectors)), vectors, threads=torch.get_num_threads()))
        other.save(f"{folder}/u")

        def of_usearch(queries: np.ndarray, width: int) -> np.ndarray:
            other.expansion_search = width
            return np.atleast_2d(other.search(queries if len(queries) > 1 else queries[0], 10).keys).astype(np.int64)

        found["usearch bf16"] = of_usearch, build, Path(folder, "u").stat().st_size / 1e6
    return found


def graph_beside_peers(results: Results, embeddings: Embeddings, queries: np.ndarray, wanted: np.ndarray) -> None:
    """Ours at its default width, each peer at its smallest width that finds as much."""
    known, vectors, rows = peers(embeddings.vectors), embeddings.vectors, f"{len(embeddings):,} rows"
    ours: Any = catalog.find("index.backends", "faiss")("cosine", vectors.shape[1])
    build = processor(lambda: ours.add(vectors, np.arange(len(vectors))))
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder))
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    exact = recall(ours.search(queries, 10)[1], wanted)
    for _ in range(2):
        one = milliseconds(lambda row: ours.search(queries[row : row + 1], 10))
    for name, (search, seconds_to_build, megabytes) in known.items():
        width = next(
            (w for w in (16, 24, 32, 48, 64, 96, 128, 192, 256, 512) if recall(search(queries, w), wanted) >= exact),
            512,
        )
        theirs = milliseconds(lambda row: search(queries[row : row + 1], width))  # noqa: B023
        one = min(one, milliseconds(lambda row: ours.search(queries[row : row + 1], 10)))  # in turn
        results.add(f"graph, one query, {rows}, beside {name}", one, "ms", peer=theirs, peer_name=name, limit=1.3 * theirs,
                    recall=exact, peer_recall=recall(search(queries, width), wanted), peer_width=width)  # fmt: skip
        results.add(f"graph, its file, {rows}, beside {name}", size, "MB", peer=megabytes, peer_name=name,
                    limit=megabytes / 2 if name == "hnswlib" else None, vectors_mb=vectors.nbytes / 1e6)  # fmt: skip
        results.add(f"graph, build, {rows}, beside {name}", build, "s", peer=seconds_to_build, peer_name=name)
    results.add(f"graph, recall@10, {rows}", exact, "", more=True, limit=1.0)


def widths(results: Results, embeddings: Embeddings, queries: np.ndarray, wanted: np.ndarray) -> None:
    """Width of building against recall and time."""
    for neighbours, width in ((16, 64), (16, 100), (32, 64), (32, 128), (32, 256)):
        made_of: Any = catalog.find("index.backends", "faiss")(
            "cosine", embeddings.record.dim, neighbours=neighbours, build_width=width
        )
        build = processor(lambda: made_of.add(embeddings.vectors, np.arange(len(embeddings))))  # noqa: B023
        found = recall(made_of.search(queries, 10)[1], wanted)
        one = milliseconds(lambda row: made_of.search(queries[row : row + 1], 10))  # noqa: B023
        results.add(
            f"graph of {neighbours} neighbours, build width {width}: one query",
            one,
            "ms",
            recall=found,
            build_seconds=build,
        )
        results.add(
            f"graph of {neighbours} neighbours, build width {width}: recall@10", found, "", more=True, limit=1.0
        )


def calls(results: Results, embeddings: Embeddings, queries: np.ndarray) -> None:
    """What the index itself takes over its backend; filters, the row of a query, additions and removals."""
    index, rows = omlzoo.build_index(embeddings), f"{len(embeddings):,} rows"
    for _ in range(5):
        index.rows.searcher.search(queries, 10)
    tensors, asked = torch.from_numpy(embeddings.vectors), torch.from_numpy(queries)
    one = milliseconds(lambda row: index.rows.searcher.search(queries[row : row + 1], 10))
    bare = milliseconds(lambda row: plain(tensors, asked[row : row + 1]))
    results.add(f"exact, one query, {rows}", one, "ms", peer=bare, peer_name="torch")
    many, bare_many = seconds(lambda: index.rows.searcher.search(queries, 10)), seconds(lambda: plain(tensors, asked))
    results.add(
        f"exact, 256 queries, {rows}", 256 / many, "queries/s", more=True, peer=256 / bare_many, peer_name="torch"
    )
    over: list[list[float]] = [[], []]
    for row in range(200):  # in turn
        query = queries[row : row + 1]
        over[0].append(processor(lambda: index.rows.searcher.search(query, 10)))  # noqa: B023
        over[1].append(processor(lambda: index.search(query, 10)))  # noqa: B023
    apart = 1000 * float(np.median(over[1]) - np.median(over[0]))
    results.add(f"index.search over its backend, {rows}", max(1e-3, apart), "ms", limit=0.3)
    for what, where in (("category, a 20th", {"category": "3"}), ("label, eight", {"label": 77})):
        results.add(f"filter by {what}, {rows}", milliseconds(lambda row: index.rows.select(where)), "ms", limit=1.0)  # noqa: B023
    own = embeddings.rows(np.arange(len(embeddings)) == 5)
    first = processor(lambda: index.search(own, 10, exclude_self=True)) * 1000
    again = milliseconds(lambda row: index.search(own, 10, exclude_self=True), 10)
    results.add(f"exclude_self, from the second call, {rows}", again, "ms", first_call_ms=first)
    news = [replace(own, table=own.table.assign(path=f"new/{i}.jpg")) for i in range(4)]
    index.add(news[0])
    results.add(
        f"add of one row, {rows}",
        1000 * float(np.median([processor(partial(index.add, new)) for new in news[1:]])),
        "ms",
    )
    for _ in range(5):
        index.rows.searcher.search(queries, 10)
    before = milliseconds(lambda row: index.search(queries[row : row + 1], 10))
    results.add(f"remove of one row, {rows}", 1000 * processor(lambda: index.remove([5])), "ms")
    after = milliseconds(lambda row: index.search(queries[row : row + 1], 10), 20)
    results.add(f"search after a removal, {rows}", after, "ms", peer=before, peer_name="before it", limit=1.3 * before)


def files(results: Results, embeddings: Embeddings) -> None:
    """Time and memory of opening embeddings and an index; and torch's bytes of the same vectors as they are."""
    size, rows = embeddings.vectors.nbytes / 1e6, f"{len(embeddings):,} x {embeddings.record.dim}"
    with tempfile.TemporaryDirectory() as name:
        embeddings.save(Path(name) / "e.parquet")
        omlzoo.build_index(embeddings).save(Path(name) / "i")
        for what, call, limit in (
            ("load_embeddings", lambda: omlzoo.load_embeddings(Path(name) / "e.parquet"), 1.3 * size),
            ("open_index", lambda: omlzoo.open_index(Path(name) / "i"), 200.0),
        ):
            pa.default_memory_pool().release_unused()
            forget_peak()
            before, begun = memory(), time.process_time()
            kept = call()
            spent, peak = time.process_time() - begun, memory("VmHWM") - before
            results.add(f"{what}, {rows}: peak above before", max(1.0, peak), "MB", limit=limit, vectors_mb=size)
            results.add(f"{what}, {rows}", spent, "s", limit=1.0 if what == "open_index" else None)
            del kept


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int)
    parser.add_argument("--large", action="store_true", help="100,000 rows for graphs, a million for calls and files")
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--only", choices=["graph", "widths", "calls", "files", "backends"])
    parser.add_argument("--curves", type=Path, help="draw recall against speed to that file instead")
    args = parser.parse_args()
    size = args.size or (100_000 if args.large else 20_000)

    def drawn(rows: int) -> Embeddings:
        frame = pd.DataFrame({
            "path": pd.Series([f"a/{i // 800}/{i}.jpg" for i in range(rows)], dtype="str"), "label": np.arange(rows) // 8,
            "category": pd.Series((np.arange(rows) // 8 % 20).astype(str), dtype="str"), "error": pd.Series([""] * rows, dtype="str"),
        })  # fmt: skip
        preprocess = json.loads(json.dumps(asdict(omlzoo.get_weights("vits16_dino").entry.preprocess)))
        return Embeddings(made(rows), frame, Record("made", "0" * 64, DIM, preprocess, True, "fp32", "/nowhere"))

    if args.embeddings:
        found = omlzoo.load_embeddings(args.embeddings)
        embeddings = found.rows(found.good)
    else:
        embeddings = drawn(size)
    random = np.random.default_rng(1)
    chosen = random.choice(len(embeddings), 256, replace=False)
    noise = random.normal(size=(256, embeddings.record.dim)) / embeddings.record.dim**0.5
    queries = (embeddings.vectors[chosen] + 0.2 * noise).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    if args.curves:
        curves(embeddings, queries, args.curves)
        raise SystemExit
    results = Results("index")
    wanted = plain(torch.from_numpy(embeddings.vectors), torch.from_numpy(queries)).indices.numpy()  # type: ignore[attr-defined]
    if args.only in (None, "graph"):
        graph_beside_peers(results, embeddings, queries, wanted)
    if args.only == "widths" or (args.large and args.only is None):
        widths(results, embeddings, queries, wanted)
    if args.only == "backends" or (args.large and args.only is None):
        for name, options in BACKENDS.items():
            searcher: Any = catalog.find("index.backends", name.split()[0])("cosine", embeddings.record.dim, **options)
            try:
                searcher.add(embeddings.vectors, np.arange(len(embeddings)))
            except BadInput as error:
                print(name, error)
                continue
            for _ in range(5):
                hits = searcher.search(queries, 10)[1]
            one = milliseconds(lambda row: searcher.search(queries[row : row + 1], 10))  # noqa: B023
            results.add(f"{name}, one query, {len(embeddings):,} rows", one, "ms", recall=recall(hits, wanted))
    large = embeddings if args.size or args.embeddings or not args.large else drawn(1_000_000)
    if args.only in (None, "calls"):
        calls(results, large, queries)
    if args.only in (None, "files"):
        files(results, large)
    results.write()

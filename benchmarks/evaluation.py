"""Metrics at scale: ranking beside OML and FAISS, pairs without a matrix, a million rows, re-ranking in sparse memory.

python benchmarks/evaluation.py --oml PYTHON_OF_OML [--only ranking|uneven|pairs|million|reciprocal] [--fastreid CLONE]
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import faiss
import numpy as np
import torch
from measuring import Results, forget_peak, memory, peer, ratio, show
from search import DIM, bare, clock, clustered

from omlzoo.metrics import metrics_of_hits, opis, retrieval, verification
from omlzoo.ops.nearest import nearest
from omlzoo.rerank import k_reciprocal

RANKS = {"cmc": (1, 5, 10), "precision": (1, 5, 10), "map": (1, 5, 10)}


def ranking(rows: int, oml: str | None, results: Results) -> None:
    vectors, labels = clustered(rows)
    index = faiss.IndexFlatL2(DIM)
    index.add(vectors)
    tensors = torch.from_numpy(vectors)
    bare(tensors[:2048])
    forget_peak()
    before = memory()
    whole = clock(lambda: retrieval(vectors, labels, **RANKS))
    peak = memory("VmHWM") - before
    _, ids = nearest(tensors, tensors, 10, similarity="euclidean", own=torch.arange(rows))
    codes, counts = torch.from_numpy(labels), torch.full((rows,), 7)

    def metrics() -> None:
        metrics_of_hits(
            codes[ids] == codes[:, None], counts, torch.full((rows,), 10), {**RANKS, "hits": (), "ndcg": ()}
        )

    part = sorted(clock(metrics) for _ in range(5))[2]
    flat = clock(lambda: index.search(vectors, 11))
    theirs = peer(oml, "retrieval", rows, DIM)
    results.add(f"ranking and metrics, {rows:,} rows", whole, "s", peer=flat, peer_name="FAISS flat, the search alone",
                limit=1.1 * flat, metric_seconds=part)  # fmt: skip
    results.add(f"the same, memory above the vectors, {rows:,} rows", peak, "MB", limit=500,
                peer=theirs and theirs["peak_mb"], peer_name="OML")  # fmt: skip
    if theirs:
        results.add(f"the same beside OML, {rows:,} rows", whole, "s", peer=theirs["seconds"], peer_name="OML",
                    limit=theirs["seconds"] / 4)  # fmt: skip


def uneven(rows: int, results: Results) -> None:
    """One label of a tenth of the rows beside labels of eight, in processor seconds."""
    random = np.random.default_rng(0)
    labels = {
        "even": np.arange(rows) // 8,
        "uneven": np.r_[np.zeros(rows // 10, int), 1 + np.arange(rows - rows // 10) // 8],
    }
    spent, peaks = {}, {}
    for name, ids in labels.items():
        centres = random.standard_normal((ids.max() + 1, DIM), dtype=np.float32)
        vectors = centres[ids] + 2 * random.standard_normal((rows, DIM), dtype=np.float32)
        retrieval(vectors[:2000], ids[:2000], **RANKS)
        forget_peak()
        before, start = memory(), time.process_time()
        retrieval(vectors, ids, **RANKS)
        spent[name], peaks[name] = time.process_time() - start, memory("VmHWM") - before
    what = f"{rows:,} rows, one label of {rows // 10:,}"
    results.add(
        what, spent["uneven"], "processor s", peer=spent["even"], peer_name="even labels", limit=2 * spent["even"]
    )
    results.add(f"{what}, memory above the vectors", peaks["uneven"], "MB", limit=300)


def pairs(rows: int) -> None:
    vectors, labels = clustered(rows)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tensors = torch.from_numpy(vectors)
    bare(tensors[:2048])
    forget_peak()
    before = memory()
    verified = clock(lambda: verification(vectors, labels))
    consistent = clock(lambda: opis(vectors, labels))
    peak = memory("VmHWM") - before
    product = clock(lambda: [block @ tensors.T for block in tensors.split(1024)])
    show("pairs", rows=rows, fnmr_seconds=verified, opis_seconds=consistent, limit=60, product_seconds=product,
         times_product=(verified + consistent) / product, peak_mb_above_vectors=peak)  # fmt: skip


def million(rows: int, queries: int) -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((rows, DIM), dtype=np.float32)
    labels = np.arange(rows) // 8
    is_query = np.zeros(rows, dtype=bool)
    is_query[random.choice(rows, queries, replace=False)] = True
    tensors = torch.from_numpy(vectors)
    forget_peak()
    before = memory()
    seconds = clock(lambda: retrieval(vectors, labels, is_query=is_query, **RANKS))
    peak = memory("VmHWM") - before
    asked = tensors[torch.from_numpy(np.flatnonzero(is_query)[:1024])]
    product = clock(lambda: [asked @ block.T for block in tensors.split(16384)]) * queries / 1024
    show("million", gallery=rows, queries=queries, seconds=seconds, product_seconds=product,
         times_product=seconds / product, peak_mb_above_vectors=peak, limit=4000)  # fmt: skip


DENSE = """
import json, subprocess, sys, time, types
import numpy as np
from pathlib import Path
clone, count = sys.argv[1], int(sys.argv[2])
code = subprocess.run(["git", "-C", clone, "show", "HEAD:fastreid/evaluation/rerank.py"], capture_output=True, text=True)
room = types.ModuleType("rerank")
exec(code.stdout, room.__dict__)
sys.path.insert(0, sys.argv[3])
from search import clustered
vectors, _ = clustered(count)
part = count // 10
def memory(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000
def apart(a, b):
    return np.sqrt(np.maximum(0, (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T))
Path("/proc/self/clear_refs").write_text("5")
before, start = memory("VmRSS"), time.perf_counter()
q, g = vectors[:part], vectors[part:]
found = room.re_ranking(apart(q, g), apart(q, q), apart(g, g))
seconds, peak = time.perf_counter() - start, memory("VmHWM") - before
np.save(sys.argv[4], np.argsort(found, axis=1, kind="stable")[:, :10])
print(json.dumps({"seconds": seconds, "peak_mb": peak}))
"""


def reciprocal(rows: int, clone: str | None) -> None:
    vectors, _ = clustered(rows)
    part = rows // 10
    forget_peak()
    before, start = memory(), time.perf_counter()
    _, ids = k_reciprocal(vectors[:part], vectors[part:], 10)
    seconds, peak = time.perf_counter() - start, memory("VmHWM") - before
    dense, same = None, None
    if clone is not None:
        file = Path("/tmp/dense_ids.npy")
        command = [sys.executable, "-c", DENSE, clone, str(rows), str(Path(__file__).parent), str(file)]
        dense = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        same = float((np.load(file) == ids).mean())
    show("reciprocal", rows=rows, seconds=seconds, peak_mb=peak, dense_seconds=dense and dense["seconds"],
         dense_peak_mb=dense and dense["peak_mb"], times_less_memory=ratio(dense, "peak_mb", peak), limit=10,
         same_places=same)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oml", help="a Python with open-metric-learning 4.0.0")
    parser.add_argument("--fastreid", help="a git clone of fast-reid")
    parser.add_argument("--only", choices=["ranking", "uneven", "pairs", "million", "reciprocal"])
    parser.add_argument("--rows", type=int, default=16_000)
    parser.add_argument("--large", action="store_true", help="60,000 rows, and everything")
    args = parser.parse_args()
    rows = 60_000 if args.large else args.rows
    results = Results("evaluation")
    if args.only in (None, "ranking"):
        ranking(rows, args.oml, results)
    if args.only in (None, "uneven"):
        uneven(16_000, results)
    if args.only == "pairs" or args.large:
        pairs(rows)
    if args.only == "reciprocal" or args.large:
        reciprocal(10_000, args.fastreid)
    if args.only == "million" or args.large:
        million(1_000_000, 10_000)
    if results.lines:
        results.write()

"""How time and memory of evaluate, calibrate, check and tidy grow with the rows of a table, on made vectors.

python benchmarks/growth.py [--rows 5000,20000] [--large] [--acts quick,thorough,calibrate,check,near-duplicates,outliers,tidy]

Each act at each size runs in a process of its own with one thread; seconds are processor seconds. An exponent compares with the size before: 1 is
linear, 2 all against all.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from measuring import Results, forget_peak, memory

DIM, EACH = 384, 8
LIMIT = 600  # seconds that one act may take


def made(rows: int) -> Any:
    """Unit vectors of labels with eight rows; every hundredth row is a near copy of the row before it."""
    from omlzoo.embedding.embeddings import Embeddings, Record

    random = np.random.default_rng(0)
    labels = np.arange(rows) // EACH
    vectors = random.standard_normal((labels.max() + 1, DIM), dtype=np.float32)[labels]
    vectors += 1.5 * random.standard_normal((rows, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[1::100] = vectors[::100] + 1e-3 * random.standard_normal((len(vectors[1::100]), DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frame = pd.DataFrame({
        "path": [f"a/{row // EACH}/{row}.jpg" for row in range(rows)], "label": labels, "split": "validation",
        "is_query": True, "is_gallery": True, "error": pd.Series([""] * rows, dtype="str"),
    })  # fmt: skip
    return Embeddings(vectors, frame, Record("made", "0" * 64, DIM, {}, True, "fp32", "/nowhere"))


def act_of(name: str, rows: int, folder: Path) -> Callable[[], Any]:
    """The call that is measured; what it needs is made before."""
    import omlzoo
    from omlzoo.curation import near_duplicates, outliers
    from omlzoo.data import table
    from omlzoo.evaluation.collection import describe_collection
    from omlzoo.evaluation.evaluation import evaluate_embeddings

    if name == "check":
        for row in range(rows):
            if row % EACH == 0:
                (folder / "a" / str(row // EACH)).mkdir(parents=True)
            (folder / f"a/{row // EACH}/{row}.jpg").write_bytes(HEADER + row.to_bytes(8, "big"))
        frame = made(8).table.iloc[[0] * rows].reset_index(drop=True).drop(columns="error")
        frame["path"] = [f"a/{row // EACH}/{row}.jpg" for row in range(rows)]
        frame["label"] = np.arange(rows) // EACH
        frame.to_csv(folder / "t.csv", index=False)
        return lambda: table.find_faults(folder / "t.csv")
    embeddings = made(rows)
    return {
        "quick": lambda: evaluate_embeddings(embeddings, "made", thorough=False),
        "thorough": lambda: evaluate_embeddings(embeddings, "made"),
        "calibrate": lambda: omlzoo.calibrate(embeddings, far=(1e-2,), save=False),
        "near-duplicates": lambda: near_duplicates(embeddings.vectors, 0.1),
        "outliers": lambda: outliers(embeddings.vectors, 5),
        "tidy": lambda: describe_collection(embeddings),
    }[name]


def measure(name: str, rows: int) -> dict[str, float]:
    """Processor seconds and MB above what was there before, of one act."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as folder:
        act_of(name, 400, Path(folder) / "small")()  # imports, and memory that is kept
        call = act_of(name, rows, Path(folder) / "whole")
        forget_peak()
        before, wall, start = memory(), time.perf_counter(), time.process_time()
        call()
        spent = time.process_time() - start
        return {"seconds": spent, "wall": time.perf_counter() - wall, "peak_mb": memory("VmHWM") - before}


def header() -> bytes:
    """A small picture's bytes, for files that only need to be pictures."""
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue()


HEADER = header()
ACTS = ("quick", "thorough", "calibrate", "check", "near-duplicates", "outliers", "tidy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="5000,20000")
    parser.add_argument("--large", action="store_true", help="10,000 to 1,000,000 rows")
    parser.add_argument("--acts", default=",".join(ACTS))
    parser.add_argument("--one", help="measure this act in this process")
    args = parser.parse_args()
    sizes = [10_000, 100_000, 1_000_000] if args.large else [int(rows) for rows in args.rows.split(",")]
    if args.one:
        print(json.dumps(measure(args.one, sizes[0])))
        return
    print("| act | rows | processor s | peak MB above the vectors | exponent |\n|---|---|---|---|---|")
    results = Results("growth")
    for act in args.acts.split(","):
        last: tuple[int, float] | None = None
        for rows in sizes:
            command = [sys.executable, __file__, "--one", act, "--rows", str(rows)]
            try:
                found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT,
                                       env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
            except subprocess.TimeoutExpired:
                print(f"| {act} | {rows:,} | more than {LIMIT} | | |", flush=True)
                break
            one = json.loads(found.stdout.splitlines()[-1])
            power = math.log(one["seconds"] / last[1]) / math.log(rows / last[0]) if last else None
            exponent = "" if power is None else f"{power:.2f}"
            results.add(f"{act}, {rows:,} rows", one["seconds"], "processor s", peak_mb=one["peak_mb"], exponent=power)
            print(f"| {act} | {rows:,} | {one['seconds']:.2f} | {one['peak_mb']:.0f} | {exponent} |", flush=True)
            last = rows, one["seconds"]
    results.write()


if __name__ == "__main__":
    main()

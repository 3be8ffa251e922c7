"""Run the benchmarks, one process each, and write docs/benchmarks.md from what they found.

python benchmarks/run.py [--only NAME ...] [--large] [--oml PYTHON]     further arguments are passed on

Small sizes by default, so that all together take less than ten minutes. A benchmark that fails is said at the end.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import report

HERE = Path(__file__).parent
NAMES = ("startup", "loading", "losses", "samplers", "search", "index", "stores", "embedding", "engines", "export",
         "shards", "sources", "training", "training_pictures", "evaluation", "growth", "serving")  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=None)
    args, further = parser.parse_known_args()
    failed = []
    for name in args.only or NAMES:
        script = HERE / f"{name}.py"
        if not script.exists() or (args.only is None and not report.writes_results(script)):
            continue  # one that prints no table yet
        begun = time.perf_counter()
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, str(script), *further], check=False).returncode:
            failed.append(name)
        print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    report.write()
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")

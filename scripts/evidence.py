"""Run one row of the evidence again by its name, and keep what it gave in benchmarks/results/evidence/NAME.json.

python scripts/evidence.py                     lists the rows, and which of them were run
python scripts/evidence.py ROW [ROW ...]       runs them; data at ../shared/data is needed
python scripts/evidence.py --write             writes docs/evidence.md from what was kept

Settings were chosen without validation labels; every row says its seeds, seconds, commit and machine.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from evidence_rows import collapses, few_labels, losses, photographs, without_labels

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "benchmarks" / "results" / "evidence"
PAGE = ROOT / "docs" / "evidence.md"
TABLES = (photographs.TABLE, without_labels.TABLE, few_labels.TABLE, collapses.TABLE, *losses.TABLES)
ROWS = {name: row for table in TABLES for name, row in table.rows.items()}
HEAD = """# Evidence

Written by `python scripts/evidence.py --write` from `benchmarks/results/evidence`; `python scripts/evidence.py ROW`
runs a row again. What was not run says so. Validation labels chose nothing."""


def run(name: str) -> None:
    """Run a row and keep it."""
    begun, processor = time.perf_counter(), time.process_time()
    values = ROWS[name]()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    row = {
        "row": name, "values": values, "seeds": values.pop("seeds"),
        "command": f"python scripts/evidence.py {name}", "commit": commit.stdout.strip(),
        "seconds": round(time.perf_counter() - begun), "processor seconds": round(time.process_time() - processor),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"), "load": round(os.getloadavg()[2], 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {each: version(each) for each in ("torch", "timm")},
    }  # fmt: skip
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n")
    print(json.dumps(row, indent=1))


def write() -> None:
    """Write the page from the rows that were kept; a row that was not run says so."""
    lines = HEAD.splitlines()
    for table in TABLES:
        heads = ["row", *table.columns, "seconds", "commit"]
        lines += ["", f"## {table.title}", "", *table.text.splitlines(), "",
                  f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]  # fmt: skip
        for name in table.rows:
            file = KEPT / f"{name}.json"
            cells = ["not run", *[""] * (len(heads) - 2)]
            if file.is_file():
                row = json.loads(file.read_text())
                cells = [*table.cells(row["values"]), str(row["seconds"]), row["commit"]]
            lines.append(f"| {' | '.join([name, *cells])} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for each in args.rows:
        run(each)
    if args.write:
        write()
    elif not args.rows:
        for each in ROWS:
            print(each, "kept" if (KEPT / f"{each}.json").is_file() else "not run")

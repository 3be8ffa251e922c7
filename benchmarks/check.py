"""Compare the ratios of benchmarks/results with those of the last kept run, which are in git; exit 1 where one fell.

python benchmarks/check.py [--kept REVISION|FOLDER] [--least 0.75]

Seconds depend on the machine and what else it does; a ratio to a peer in the same run hardly does. Where a row has no
peer its share of the limit is compared, but only between runs of one processor, and only where it fell below 1. Rows that are gone are said too.
"""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from measuring import RESULTS


def kept(where: str, name: str) -> dict[str, Any] | None:
    """The results of a benchmark in a folder or a revision; None where there are none."""
    if Path(where).is_dir():
        path = Path(where) / name
        return json.loads(path.read_text()) if path.exists() else None
    command = ["git", "-C", str(RESULTS.parent), "show", f"{where}:./results/{name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(found.stdout) if found.returncode == 0 else None


def compared(now: dict[str, Any], before: dict[str, Any], least: float) -> tuple[list[str], int]:
    """What got worse, a line each, and how many rows were compared.

    Args:
        now: Results of a benchmark.
        before: The kept ones.
        least: The share of the kept ratio that still passes.
    """
    rows = {row["what"]: row for row in now["rows"]}
    same = now["machine"]["processor"] == before["machine"]["processor"]
    worse, count = [], 0
    for old in before["rows"]:
        new = rows.get(old["what"])
        if new is None:
            worse.append(f"{now['benchmark']}: {old['what']}: is measured no more")
            continue
        key = "ratio" if old["ratio"] is not None else "share"
        if old[key] is None or (key == "share" and not same):
            continue
        count += 1
        if key == "share" and (new[key] or 0) >= 1:  # the limit is kept; how far is a matter of seconds
            continue
        if new[key] is None or new[key] < least * old[key]:
            shown = "none" if new[key] is None else f"{new[key]:.3g}"
            against = f"to {old['peer_name']}" if key == "ratio" else "of the limit"
            worse.append(
                f"{now['benchmark']}: {old['what']}: {key} {against} is {shown}, was {old[key]:.3g} at {before['commit']}"
            )
    return worse, count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kept", default="HEAD", help="a revision of git, or a folder of results")
    parser.add_argument("--least", type=float, default=0.75, help="the share of the kept ratio that still passes")
    args = parser.parse_args()
    faults, total = [], 0
    for path in sorted(RESULTS.glob("*.json")):
        before = kept(args.kept, path.name)
        if before is None:
            print(f"{path.stem}: nothing is kept")
            continue
        worse, count = compared(json.loads(path.read_text()), before, args.least)
        faults, total = faults + worse, total + count
    print(*faults, f"{total} ratios compared, {len(faults)} worse", sep="\n")
    raise SystemExit(1 if faults else 0)

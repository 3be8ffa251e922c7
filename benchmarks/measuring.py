"""What the benchmarks share: the median of runs, memory of this process, a peer in its own Python."""

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEER = Path(__file__).parent / "peer_oml.py"


def arguments(text: str | None, **choices: list[str]) -> argparse.Namespace:
    """The command line of a benchmark; of further choices the first one is the default."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oml", help="a Python with open-metric-learning 4.0.0")
    parser.add_argument("--size", type=int, help="how much of it; each benchmark has its own default")
    for name, values in choices.items():
        parser.add_argument(f"--{name}", choices=values, default=values[0])
    return parser.parse_args()


def seconds(call: Callable[[], Any], runs: int = 5, warmup: int = 1) -> float:
    """Median seconds of a call."""
    for _ in range(warmup):
        call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def in_turn(cases: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median processor seconds of each case, all of them once in every run, after one that does not count."""
    took: dict[str, list[float]] = {name: [] for name in cases}
    for run in range(runs + 1):
        for name, call in cases.items():
            start = time.process_time()
            call()
            if run:
                took[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in took.items()}


def memory(field: str = "VmRSS") -> float:
    """MB of this process now, or at its peak since :func:`forget_peak` ("VmHWM")."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000


def forget_peak() -> None:
    """Start counting the peak of memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peer(python: str | None, *args: object) -> dict[str, Any] | None:
    """What the peer measures with its own Python; None without one."""
    if python is None:
        return None
    command = [python, str(PEER), *map(str, args)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{found.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


def ratio(theirs: dict[str, Any] | None, key: str, ours: float, inverse: bool = False) -> float | None:
    """How many times better ours is; inverse where more is better."""
    if theirs is None:
        return None
    return round(ours / theirs[key] if inverse else theirs[key] / ours, 2)


def show(name: str, **values: Any) -> None:
    """Print the result."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps({"benchmark": name, **rounded}, indent=2))

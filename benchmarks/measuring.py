"""What the benchmarks share: the median of runs, memory of this process, a peer in its own Python, a table of results.

    results = Results("search")
    results.add("30,000 rows", ours, "s", peer=theirs, peer_name="FAISS flat", limit=1.3 * theirs, rows=30_000)
    results.write()

prints one Markdown table and writes ``benchmarks/results/search.json``, which ``make bench`` shows in docs/benchmarks.md
and ``benchmarks/check.py`` compares with the last kept run.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PEER = Path(__file__).parent / "peer_oml.py"
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "timm", "faiss-cpu", "onnxruntime", "openvino", "hnswlib", "usearch",
            "pytorch-metric-learning", "open-metric-learning", "lightly", "fastapi")  # fmt: skip
HEAD = "| what | ours | peer | ratio | limit | share of limit |"


def arguments(text: str | None, **choices: list[str]) -> argparse.Namespace:
    """The command line of a benchmark; of further choices the first one is the default."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oml", help="a Python with open-metric-learning 4.0.0")
    parser.add_argument("--size", type=int, help="how much of it; each benchmark has its own default")
    parser.add_argument("--large", action="store_true", help="the sizes of docs/results.md, which take much longer")
    for name, values in choices.items():
        parser.add_argument(f"--{name}", choices=values, default=values[0])
    return parser.parse_args()


def seconds(
    call: Callable[[], Any], runs: int = 5, warmup: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median seconds of a call; with ``time.process_time`` as the clock of the processor, whatever else runs beside."""
    for _ in range(warmup):
        call()
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(clock() - start)
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


@dataclass(frozen=True)
class Line:
    """One row of a table of results.

    Attributes:
        what: What was measured, and how much of it.
        ours: Its value here.
        unit: Its unit, such as "s", "ms", "MB" or "pictures/s".
        more: Whether more is better, as of rates and recall.
        peer: The value of what one would use instead, measured in the same run.
        peer_name: What that is.
        limit: What cannot be passed or should not be: of the machine, or a goal of ours.
        facts: Whatever else tells how it was measured.
    """

    what: str
    ours: float
    unit: str
    more: bool = False
    peer: float | None = None
    peer_name: str = ""
    limit: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer ours is."""
        if not self.peer or not self.ours:
            return None
        return self.ours / self.peer if self.more else self.peer / self.ours

    @property
    def share(self) -> float | None:
        """Which share of the limit is reached: 1 is all of it; above 1 it is kept with room to spare."""
        if not self.limit or not self.ours:
            return None
        return self.ours / self.limit if self.more else self.limit / self.ours

    def markdown(self) -> str:
        """The row of the table."""
        peer = "" if self.peer is None else f"{self.peer_name} {number(self.peer)}".strip()
        ratio = "" if self.ratio is None else f"{number(self.ratio)} x"
        limit, share = (
            "" if self.limit is None else number(self.limit),
            "" if self.share is None else number(self.share),
        )
        return f"| {self.what} | {number(self.ours)} {self.unit} | {peer} | {ratio} | {limit} | {share} |"


class Results:
    """The rows of one benchmark.

    Args:
        name: Of the benchmark, which is that of its file.
    """

    def __init__(self, name: str) -> None:
        self.name, self.lines = name, []  # type: str, list[Line]

    def add(
        self, what: str, ours: float, unit: str, *, more: bool = False, peer: float | None = None, peer_name: str = "",
        limit: float | None = None, **facts: Any,
    ) -> None:  # fmt: skip
        """Add a row, as :class:`Line` describes it; further arguments are facts that go into the JSON only."""
        line = Line(what, ours, unit, more, peer, peer_name, limit, facts)
        self.lines.append(line)
        print(line.markdown(), file=sys.stderr, flush=True)

    def write(self) -> None:
        """Print the table, and write the rows with command, commit, machine and versions."""
        print(table(self.lines))
        RESULTS.mkdir(exist_ok=True)
        rows = [{**asdict(line), "ratio": line.ratio, "share": line.share} for line in self.lines]
        found = {"benchmark": self.name, **circumstances(), "rows": rows}
        (RESULTS / f"{self.name}.json").write_text(json.dumps(found, indent=1) + "\n")


def table(lines: list[Line]) -> str:
    """Rows as Markdown."""
    return "\n".join([HEAD, "|---|---|---|---|---|---|", *(line.markdown() for line in lines)])


def number(value: float) -> str:
    """Three digits of a number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def circumstances() -> dict[str, Any]:
    """Command, commit, time, machine and versions of this run."""
    here = Path(__file__).parent

    def git(*args: str) -> str:
        found = subprocess.run(["git", "-C", str(here), *args], capture_output=True, text=True, check=False)
        return found.stdout.strip()

    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "..", ":!results", ":!../docs/benchmarks.md")
    return {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "commit": git("rev-parse", "--short", "HEAD") + (" with changes" if changed else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions,
    }


def machine() -> dict[str, Any]:
    """The processor, cores, memory and card of this machine, and how busy it was."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    known = dict(part.split(":", 1) for part in (line.replace("\t", "") for line in lines) if ":" in part)
    flags = known.get("flags", "").split()
    multiplies = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags]
    threads = os.environ.get("OMP_NUM_THREADS")
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    return {"processor": known.get("model name", platform.processor()).strip(), "cores": os.cpu_count(), "multiplies": multiplies,
            "threads": threads and int(threads), "memory_gb": round(gigabytes), "system": platform.system(),
            "card": _card(), "load": round(os.getloadavg()[0], 1)}  # fmt: skip


def _card() -> str | None:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None

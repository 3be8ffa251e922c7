"""Count the operations and measure the CPU speed of every architecture of the zoo; writes omlzoo/zoo/costs.json.

python benchmarks/zoo_speed.py              what costs.json lacks, and drops what no entry needs
python benchmarks/zoo_speed.py --all        everything anew; needed on another machine
python benchmarks/zoo_speed.py --count      counts only, seconds in all; speeds that are missing stay null

Weights are random, operations are counted on the meta device, and the speed is that of the fastest of several passes,
because the machine may be shared. Speeds of different machines do not mix: compare them with each other only.
"""

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path
from typing import Any

import timm
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.files import new_file
from omlzoo.zoo.building import build_model
from omlzoo.zoo.costs import COSTS, SMALL_FLOPS, SMALL_PARAMS, is_measured, key_of

BATCH, THREADS = 4, 1
PASSES, SECONDS = 3, 6.0  # at least so many passes, and more until so many seconds are over


def count(entry: Entry) -> int:
    """Operations of a forward pass of one image."""
    try:
        return _counted(entry, "meta")
    except RuntimeError:  # torch.autocast knows no meta device
        return _counted(entry, "cpu")


def _counted(entry: Entry, device: str) -> int:
    with torch.device(device):
        model = build_model(entry, blank=True).eval().requires_grad_(False).to(device)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *entry.preprocess.crop, device=device))
    return int(counter.get_total_flops())


def speed(entry: Entry) -> float:
    """Images per second."""
    model = build_model(entry, blank=False).eval()
    images = torch.randn(BATCH, 3, *entry.preprocess.crop)
    times: list[float] = []
    with torch.inference_mode():
        model(images[:1])
        while len(times) < PASSES or sum(times) < SECONDS:
            start = time.perf_counter()
            model(images)
            times.append(time.perf_counter() - start)
    return float(f"{BATCH / min(times):.3g}")


def circumstances() -> dict[str, Any]:
    """What a reader of the speeds must know."""
    return {
        "machine": f"{_processor()}, a virtual machine of 2 cores that others used at the same time",
        "threads": THREADS,
        "batch": BATCH,
        "precision": "float32",
        "weights": "random",
        "torch": torch.__version__,
        "timm": timm.__version__,
        "date": date.today().isoformat(),
        "note": "Relative speeds are what matters, and differences below a fifth mean nothing: the machine was shared.",
        "unmeasured": f"architectures of at least {SMALL_PARAMS:,} parameters and {SMALL_FLOPS:,} operations",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def architectures() -> dict[str, Entry]:
    """One entry for each key."""
    return {key_of(entry): entry for entry in map(manifest.find, reversed(manifest.names()))}


def write(measured: dict[str, Any], costs: dict[str, dict[str, Any]]) -> None:
    """The file, a line for each architecture."""
    rows = ",\n".join(f"    {json.dumps(key)}: {json.dumps(costs[key])}" for key in sorted(costs))
    head = json.dumps({"measured": measured}, indent=2).removesuffix("\n}")
    with new_file(COSTS) as path:
        Path(path).write_text(f'{head},\n  "costs": {{\n{rows}\n  }}\n}}\n', encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="measure everything anew")
    parser.add_argument("--count", action="store_true", help="count operations only")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    here = circumstances()
    kept = json.loads(COSTS.read_text()) if COSTS.exists() and not options.all else {"measured": here, "costs": {}}
    if kept["measured"]["machine"] != here["machine"] and not options.count:
        raise SystemExit(f"costs.json was measured on: {kept['measured']['machine']}; this is another one: use --all")
    kept["measured"] |= {key: here[key] for key in ("note", "unmeasured")}
    costs = {}
    for key, entry in sorted(architectures().items(), key=lambda item: item[1].params):
        known = kept["costs"].get(key, {})
        flops, found = known.get("flops") or count(entry), known.get("images_per_second")
        if found is None and not options.count and is_measured(entry.params, flops):
            found = speed(entry)
        costs[key] = {"flops": flops, "images_per_second": found}
        if costs[key] != known:
            print(key, costs[key], flush=True)
            write(kept["measured"], kept["costs"] | costs)
    write(kept["measured"], costs)


if __name__ == "__main__":
    main()

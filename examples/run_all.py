"""Run the examples whole, each in a process and a new folder of its own, and print how long each took.

python examples/run_all.py             all whose needs are met
python examples/run_all.py own_loop    one
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LIMIT = 120  # seconds of one
NEEDS = {
    "curl_pixels": "gymnasium",
    "ray_cluster": "ray",
    "lightning_loop": "pytorch_lightning",
    "pml_losses": "pytorch_metric_learning",
}
HUB = {"text_search"}  # weights of the Hub, once
SERVERS = {"pgvector_store": "OMLZOO_PGVECTOR_URI"}


def lacking(name: str) -> str:
    """What an example needs that is not here; empty where all is."""
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        return f"needs {NEEDS[name]}"
    if name in SERVERS and SERVERS[name] not in os.environ:
        return f"needs {SERVERS[name]}"
    if name in HUB and not os.environ.get("OMLZOO_TEXT_MODEL") and os.environ.get("HF_HUB_OFFLINE"):
        return "needs the Hub, or OMLZOO_TEXT_MODEL"
    return ""


def main(wanted: list[str]) -> int:
    failed = 0
    for script in sorted(FOLDER.glob("*.py")):
        if script.name == Path(__file__).name or (wanted and script.stem not in wanted):
            continue
        if reason := lacking(script.stem):
            print(f"{script.stem:26} left out: {reason}", flush=True)
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run([sys.executable, script], cwd=place, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        late = f", more than {LIMIT}" if seconds > LIMIT else ""
        print(f"{script.stem:26} {seconds:6.1f} s{late}" if done.returncode == 0 else done.stderr, flush=True)
        failed += done.returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

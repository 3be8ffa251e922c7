"""Run every benchmark, one process each; arguments are passed on."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    for name in ("startup", "loading", "losses", "samplers", "search", "embedding", "training", "training_pictures"):
        subprocess.run([sys.executable, str(HERE / f"{name}.py"), *sys.argv[1:]], check=True)

"""Check that a user of the installed package sees its types: mypy reads the README's tour against a built wheel.

The wheel is installed into an environment of its own, so that mypy finds ``py.typed`` and the stubs as it would at a
user's, and never this checkout. The dependencies are those of the environment that runs the script. Needs no network.

python scripts/check_types.py    prints every revealed type; fails if one is Any, or mypy reports an error
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Revealed after the tour, whose names they use. Each must be a type of the package or of numpy, never Any.
REVEALED = [
    'omlzoo.get_model("vits16_dino")',
    "omlzoo.vits16_dino",
    "omlzoo.losses.TripletLoss(margin=0.2)",
    "omlzoo.rerank.k_reciprocal(embeddings.vectors, embeddings.vectors)",
    "omlzoo.embed(model, 'photos/')",
    "omlzoo.build_index(embeddings)",
    "omlzoo.evaluate(model, 'products.csv')",
    "omlzoo.finetune(model, 'products.csv', out='runs/products')",
    "hits",
    "loss",
]


def page() -> str:
    """The program that mypy reads: the README's blocks of Python, then a ``reveal_type`` of each expression."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    return "\n".join([*blocks, *(f"reveal_type({expression})" for expression in REVEALED), ""])


def install(folder: Path) -> Path:
    """Build the wheel and install it, without its dependencies, into a new environment.

    Args:
        folder: An empty folder for the wheel and the environment.

    Returns:
        The environment's Python, which also sees the packages of the environment that runs this.
    """
    _run("hatchling", "build", "--target", "wheel", "--directory", str(folder))
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    _run("uv", "venv", "--quiet", "--offline", "--python", sys.executable, str(environment))
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _run("uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel))
    # A .pth file adds the folder, but does not read the .pth files in it: an editable omlzoo there stays unseen.
    (site,) = (path.parent for path in environment.rglob("site-packages/omlzoo"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def read_types(python: Path, text: str, folder: Path) -> tuple[list[str], list[str]]:
    """Let mypy, in its strict mode, read a program.

    Args:
        python: The Python whose packages the program imports.
        text: The program.
        folder: Where the program is written.

    Returns:
        The revealed types and every other line that mypy printed, each in order.
    """
    program = folder / "page.py"
    program.write_text(text, encoding="utf-8")
    cache = ROOT / ".mypy_cache" / "check_types"  # of its own: what mypy knows of the dependencies stays true
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--hide-error-context"]
    command += ["--cache-dir", str(cache), "--python-executable", str(python), program.name]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    revealed = [match[1] for line in lines if (match := re.search(r'note: Revealed type is "(.*)"$', line))]
    return revealed, [line for line in lines if "note: Revealed type is" not in line]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        revealed, faults = read_types(install(folder), page(), folder)
    if len(revealed) != len(REVEALED):
        faults.append(f"{len(revealed)} of {len(REVEALED)} types were revealed")
    for expression, kind in zip(REVEALED, revealed, strict=False):
        print(f"{expression}: {kind}")
        if kind in ("Any", "typing.Any"):
            faults.append(f"{expression} is Any")
    print("\n".join(faults), file=sys.stderr)
    return int(bool(faults))


def _run(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} {arguments[0]} failed:\n{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())

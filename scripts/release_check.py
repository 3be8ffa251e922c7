"""All of a release but the upload: build wheel and sdist, check both, install each into a fresh environment and use it.

python scripts/release_check.py [--dist DIST] [--no-deps]

Each environment takes what pip finds for it, as a user's would; ``--no-deps`` takes the packages of this environment
instead, where there is no index to ask. ``build`` and ``twine`` are needed (``make release-check`` installs them).
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = (
    "omlzoo/py.typed",
    "omlzoo/__init__.pyi",
    "omlzoo/pages/style.css",
    "omlzoo/weights_manifest/vits16_dino.json",
)
USE = """
import omlzoo, pathlib, sys
assert omlzoo.__file__.startswith(sys.argv[1]), omlzoo.__file__
from omlzoo.data.synthetic import write_alphabets
table = write_alphabets(pathlib.Path("drawings"), alphabets=2, characters=4, drawers=3, size=64)
print(omlzoo.__version__, omlzoo.evaluate(omlzoo.resnet_small_omniglot(), table))
"""


def run(*command: str | Path, cwd: Path | None = None, **environ: str) -> None:
    """Run a command and stop at its failure; its output is shown."""
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, env={**os.environ, **environ})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    parser.add_argument("--no-deps", action="store_true")
    given = parser.parse_args()
    given.dist.mkdir(exist_ok=True)
    for old in given.dist.glob("omlzoo-*"):
        old.unlink()
    isolated = ["--no-isolation"] if given.no_deps else []
    run(sys.executable, "-m", "build", *isolated, "--outdir", given.dist, ROOT)
    built = sorted(given.dist.glob("omlzoo-*"))
    wheel, sdist = built[0], built[1]
    if wheel.suffix != ".whl" or not sdist.name.endswith(".tar.gz"):
        print(f"built {[path.name for path in built]}; a wheel and an sdist are needed")
        return 1
    names = zipfile.ZipFile(wheel).namelist()
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        print(f"{wheel.name} lacks {lacking}")
        return 1
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    for archive in (wheel, sdist):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            run(sys.executable, "-m", "venv", folder / "env")
            if given.no_deps:  # the packages that are here stand behind those of the new environment
                (new,) = folder.glob("env/lib/python*/site-packages")
                (new / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
            extra = ["--no-deps", "--no-build-isolation"] if given.no_deps else []
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *extra, archive]
            run(folder / "env/bin/python", *install, PYTHONPATH="")
            run(folder / "env/bin/python", "-c", USE, str(folder), cwd=folder, PYTHONPATH="")
            run(folder / "env/bin/omlzoo", "--version", cwd=folder, PYTHONPATH="")
    print(f"{wheel.name} and {sdist.name} are ready; the upload is the release workflow's")
    return 0


if __name__ == "__main__":
    sys.exit(main())

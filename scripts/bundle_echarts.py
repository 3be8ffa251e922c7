"""Bundle the parts of ECharts that the pages use, from the npm registry, into omlzoo/pages/echarts.js.

    python scripts/bundle_echarts.py           # writes the file and its licences
    python scripts/bundle_echarts.py --check   # tells whether they are what the registry gives

Needs node and npm. Versions stand in scripts/echarts/package.json, the hashes of what npm downloads in the lock file
beside it; no package runs a script of its own.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["LARGEST", "bundle"]

SOURCE = Path(__file__).parent / "echarts"
PAGES = Path(__file__).parent.parent / "omlzoo/pages"
LARGEST = 1_200_000  # bytes; a page has the library inside
LICENCES = ("echarts/LICENSE", "echarts/NOTICE", "echarts/licenses/LICENSE-d3", "zrender/LICENSE", "tslib/LICENSE.txt")


def bundle(folder: Path) -> dict[str, str]:
    """The texts of the files of the package that hold ECharts, by name.

    Args:
        folder: An empty folder to install in.

    Raises:
        SystemExit: npm or the bundler fails, or the library is larger than a page may hold.
    """
    for file in SOURCE.iterdir():
        shutil.copy(file, folder)
    _run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _run(
        folder, "node_modules/.bin/esbuild", "entry.js", "--bundle", "--minify", "--format=iife", "--target=es2020",
        "--legal-comments=none", '--define:process.env.NODE_ENV="production"', "--outfile=out.js",
    )  # fmt: skip
    library = (folder / "out.js").read_text(encoding="utf-8")
    if len(library.encode()) > LARGEST or "</script" in library:
        raise SystemExit(
            f"out.js has {len(library.encode()):,} bytes; at most {LARGEST:,} and no end of a script fit a page"
        )
    modules = folder / "node_modules"
    parts = [f"{name}\n\n{(modules / name).read_text(encoding='utf-8').strip()}\n" for name in LICENCES]
    return {"echarts.js": library, "echarts.licence.txt": f"\n{'-' * 80}\n\n".join(parts)}


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")


def main() -> None:
    """Write or check the files."""
    with tempfile.TemporaryDirectory() as folder:
        made = bundle(Path(folder))
    for name, text in made.items():
        if sys.argv[1:] == ["--check"]:
            if (PAGES / name).read_text(encoding="utf-8") != text:
                raise SystemExit(f"{name} is not what the registry gives; run python scripts/bundle_echarts.py")
        else:
            (PAGES / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()

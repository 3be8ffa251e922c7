"""Check files before they are committed: how a text ends, and how large a file is.

python scripts/check_files.py --end FILE ...     fails where a text does not end with exactly one line break
python scripts/check_files.py --size FILE ...    fails where a file has more than 4 MB
"""

import sys
from pathlib import Path

LARGEST = 4_000_000  # bytes


def bad_ends(paths: list[Path]) -> list[str]:
    """A line for each file that is not empty and does not end with exactly one line break."""
    faults = []
    for path in paths:
        text = path.read_bytes().replace(b"\r\n", b"\n")
        if text and (not text.endswith(b"\n") or text.endswith(b"\n\n") or text == b"\n"):
            faults.append(f"{path} does not end with exactly one line break")
    return faults


def too_large(paths: list[Path]) -> list[str]:
    """A line for each file with more than ``LARGEST`` bytes."""
    sizes = {path: path.stat().st_size for path in paths}
    return [
        f"{path} has {size} bytes; at most {LARGEST} are committed" for path, size in sizes.items() if size > LARGEST
    ]


def main(arguments: list[str]) -> int:
    checks = {"--end": bad_ends, "--size": too_large}
    if not arguments or arguments[0] not in checks:
        print(__doc__, file=sys.stderr)
        return 2
    faults = checks[arguments[0]]([path for path in map(Path, arguments[1:]) if path.is_file()])
    print("\n".join(faults), end="\n" if faults else "")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

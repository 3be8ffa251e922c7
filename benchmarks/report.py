"""docs/benchmarks.md from benchmarks/results/*.json: a table for each benchmark, with machine, versions and command.

python benchmarks/report.py
"""

import json
from pathlib import Path
from typing import Any

from measuring import RESULTS, Line, table

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TOP = """# Benchmarks

Written by `make bench` (`benchmarks/run.py`); `make bench` runs small sizes, `benchmarks/run.py --large` those of
[results.md](results.md). Trust the ratios, which are of one run on one machine: above 1 ours is better. The limit is that of the machine or
a goal of ours; its share is 1 where it is reached, and above 1 where there is room to spare.
`benchmarks/check.py` compares the ratios with those of the last commit.
"""


def lines_of(found: dict[str, Any]) -> list[Line]:
    """The rows of a file of results."""
    return [
        Line(**{key: value for key, value in row.items() if key not in ("ratio", "share")}) for row in found["rows"]
    ]


def read(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The results of all benchmarks, by name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def section(found: dict[str, Any]) -> str:
    """The part of the page about one benchmark."""
    facts, versions = found["machine"], found["versions"]
    where = (
        f"{facts['cores']} cores of {facts['processor']} ({', '.join(facts['multiplies']) or 'no wide multiplication'})"
    )
    threads = f", {facts['threads']} thread" + ("s" if facts["threads"] != 1 else "") if facts["threads"] else ""
    card = f", {facts['card']}" if facts["card"] else ""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"""
## {found["benchmark"]}

{table(lines_of(found))}

`{found["command"]}` at {found["commit"]}, {found["date"]}, {where}{card}{threads}, {facts["memory_gb"]} GB, load {facts["load"]} at its end.
{packages}.
"""


def write() -> None:
    """Write the page."""
    DOCS.write_text(TOP + "".join(map(section, read())))


def writes_results(script: Path) -> bool:
    """Whether a benchmark writes a table of results, which those that are older do not."""
    return "Results(" in script.read_text()


if __name__ == "__main__":
    write()

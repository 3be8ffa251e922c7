"""The process that durability.py starts: a child for each line of standard input."""

import ctypes
import importlib
import json
import os
import pkgutil
import sys
import warnings

import torch

import omlzoo

NEEDED = ("faiss", "matplotlib.pyplot", "pyarrow.parquet", "safetensors.torch", "pymilvus", "timm", "durable_acts")


def main() -> None:
    for found in pkgutil.walk_packages(omlzoo.__path__, "omlzoo."):  # once, and not in every child
        if not found.name.endswith(("__main__", "lightning", "ray_cluster", "executorch")):
            importlib.import_module(found.name)
    for name in NEEDED:
        importlib.import_module(name)
    durable_acts = importlib.import_module("durable_acts")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    arm = ctypes.CDLL(os.environ["LD_PRELOAD"]).killer_arm
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what acts print is no answer
    for line in sys.stdin:
        act, root, log, number = json.loads(line)
        if (child := os.fork()) == 0:
            code = 1
            try:
                arm(root.encode(), log.encode(), ctypes.c_long(number))
                code = int(getattr(durable_acts, act)(root) or 0)
            except BaseException as error:
                print(f"{act}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(code)
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.WIFSIGNALED(status), os.waitstatus_to_exitcode(status)]), file=answers, flush=True)


if __name__ == "__main__":
    main()

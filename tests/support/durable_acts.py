"""Acts that write files, each on a folder that was prepared for it: what durability.py kills at any of their calls."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from drawn_rows import random_embeddings
from toys import toy

import omlzoo
from omlzoo.cli import main
from omlzoo.files import new_files

__all__ = ["ACTS", "prepare"]

QUICK = ["--epochs", "1", "--n-labels", "4", "--n-instances", "3", "--augment", "none", "--log", "none"]


def embed_file(root: str) -> int:
    return main(["embed", f"{root}/m", f"{root}/t.csv", "-o", f"{root}/e.parquet", "--workers", "1"])


def embed_folder(root: str) -> int:
    return main(["embed", f"{root}/m", f"{root}/t.csv", "-o", f"{root}/vectors", "--workers", "1"])


def embed_file_anew(root: str) -> int:
    return main(["embed", f"{root}/m", f"{root}/t.csv", "-o", f"{root}/old.parquet", "--workers", "1", "--overwrite"])


def embed_folder_anew(root: str) -> int:
    return main(["embed", f"{root}/m", f"{root}/t.csv", "-o", f"{root}/old", "--workers", "1", "--overwrite"])


def index_exact(root: str) -> int:
    return _grow(root, "exact")


def index_faiss(root: str) -> int:
    return _grow(root, "faiss")


def index_milvus(root: str) -> int:
    return _grow(root, "milvus")


def _grow(root: str, backend: str) -> int:
    """Open the index of 60 rows, add 20, remove 10, save."""
    index = omlzoo.open_index(f"{root}/{backend}.index")
    index.add(random_embeddings(80).rows(np.arange(80) >= 60))
    index.remove({"path": [f"/nowhere/{row}.png" for row in range(10)]})
    index.save(f"{root}/{backend}.index")
    return 0


def finetune(root: str) -> int:
    return main(["finetune", f"{root}/t.csv", "--model", f"{root}/m", "-o", f"{root}/run", "--resume", *QUICK])


def calibrate(root: str) -> int:
    return main(["calibrate", f"{root}/m", f"{root}/t.csv", "--far", "0.1", "--unknown", "0.5"])


def convert(root: str) -> int:
    return main(["convert", f"{root}/theirs.pth", "--arch", "resnet18", "-o", f"{root}/converted"])


def save_model(root: str) -> int:
    """Other weights over a checkpoint."""
    model = toy("resnet_toy", seed=1)
    model.save(f"{root}/m", overwrite=True)
    return 0


def evaluate(root: str) -> int:
    files = ["--json", f"{root}/report.json", "--html", f"{root}/report.html"]
    return main(["evaluate", f"{root}/m", f"{root}/t.csv", *files])


def select(root: str) -> int:
    return main(["select", f"{root}/given.parquet", "-n", "3", "-o", f"{root}/next.csv"])


def tidy(root: str) -> int:
    return main(["tidy", f"{root}/given.parquet", "--html", f"{root}/tidy.html"])


def rename_before_sync(root: str) -> int:
    """A wrong writer, which the harness has to see: the name is there before the content is."""
    with open(f"{root}/.new", "w") as file:
        file.write("new")
        file.flush()
        os.replace(f"{root}/.new", f"{root}/a")
        os.fsync(file.fileno())
    return 0


def one_after_the_other(root: str) -> int:
    """A wrong writer, which the harness has to see: two files that belong together change one by one."""
    for name in ("a", "b"):
        with open(f"{root}/.new", "w") as file:
            file.write("new")
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{root}/.new", f"{root}/{name}")
    return 0


def together(root: str) -> int:
    """The same two files, rightly."""
    with new_files(root, "b") as temporary:
        for name in ("a", "b"):
            (temporary / name).write_text("new")
    return 0


ACTS = (embed_file, embed_folder, embed_file_anew, embed_folder_anew, index_exact, index_faiss, index_milvus, finetune, calibrate,
        convert, save_model, evaluate, select, tidy)  # fmt: skip


def prepare(root: Path, table: Path) -> None:
    """Make the model, table, vectors and indexes that the acts begin with.

    Args:
        root: An empty folder.
        table: The csv of pictures, with paths relative to it.
    """
    import pandas as pd
    import torch

    frame = pd.read_csv(table)
    frame["path"] = [str(table.parent / path) for path in frame["path"]]
    few = frame.groupby("label").head(3)
    pd.concat([few[few["split"] == "train"].head(24), few[few["split"] == "validation"].head(24)]).to_csv(
        root / "t.csv", index=False
    )
    toy("resnet_toy").save(root / "m")
    torch.save(toy("resnet18").state_dict(), root / "theirs.pth")
    omlzoo.embed(omlzoo.get_model(str(root / "m")), root / "t.csv", progress=False).save(root / "given.parquet")
    other = toy("resnet_toy", seed=2)
    omlzoo.embed(other, root / "t.csv", out=root / "old.parquet", progress=False).save(root / "given_old.parquet")
    omlzoo.embed_shards(other, root / "t.csv", root / "old", progress=False)
    rows = random_embeddings(60)
    for backend in ("exact", "faiss", "milvus"):
        options: dict[str, Any] = {"uri": str(root / "rows.db"), "kind": "FLAT"} if backend == "milvus" else {}
        omlzoo.build_index(rows, backend=backend, **options).save(root / f"{backend}.index")

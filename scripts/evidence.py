"""Run one row of the evidence again by its name, and keep what it gave in benchmarks/results/evidence/NAME.json.

python scripts/evidence.py                     lists the rows, and which of them were run
python scripts/evidence.py ROW [ROW ...]       runs them; data at ../shared/data is needed
python scripts/evidence.py --write             writes docs/evidence.md from what was kept

Settings were chosen without validation labels; every row says its seed, seconds, commit and machine.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "benchmarks" / "results" / "evidence"
PAGE = ROOT / "docs" / "evidence.md"
DATA = ROOT.parent / "shared" / "data"
VIEWS: dict[str, Any] = {"views": "drawing", "image_size": 48, "n_labels": 128, "n_instances": 1, "lr": 1e-3,
                         "selection": 0.0, "duplicates": False, "log": "none", "epochs": 60,
                         "precision": "fp32"}  # fmt: skip
OBJECTIVES: dict[str, dict[str, Any]] = {
    "SimCLR": {"temperature": 0.2},
    "VICReg": {"hidden": 2048, "dim": 2048},
    "BYOL": {},
    "SimSiam": {},
    "MoCo": {"queue": 1024},
    "BarlowTwins": {"hidden": 2048, "dim": 2048},
    "NNCLR": {"queue": 1024},
    "DINO": {"prototypes": 1024, "norm": True},
    "SwAV": {"prototypes": 512},
}
HEAD = """# Evidence

Written by `python scripts/evidence.py --write` from `benchmarks/results/evidence`.

Omniglot, 2,720 training drawings without their labels, then the 2,120 drawings of three unseen alphabets, each against
all others; the small ResNet from random weights, 48 pixels, 60 epochs, AdamW 1e-3, batch 128, float32, one seed. Raw
pixels of 48 x 48: 0.263."""


def small_resnet() -> Any:
    """The bundled model's body in one orientation, at random weights of seed 0."""
    import torch

    import omlzoo
    from omlzoo import catalog
    from omlzoo.checkpoints.weights import Weights

    torch.manual_seed(0)
    model = catalog.find("models", "resnet_small")(turns=1)
    entry = omlzoo.get_weights("resnet_small_omniglot").entry
    arguments: dict[str, Any] = {"turns": 1}
    model.weights = Weights(
        replace(entry, arch_args=arguments, dim=128, sha256=None, size=None, fingerprint=None, metrics=(), file=None),
        origin="random weights",
    )
    return model.eval()


def pretrained(objective: str, epochs: int = 60) -> dict[str, Any]:
    """Unseen alphabets after learning from 2,720 training drawings without their labels."""
    import omlzoo

    several: dict[str, Any] = {"globals": 2, "locals": 2} if objective in ("DINO", "SwAV") else {}
    with tempfile.TemporaryDirectory() as folder:
        run = omlzoo.pretrain(
            small_resnet(), DATA / "omniglot" / "omniglot.csv", out=Path(folder) / "run", objective=objective,
            objective_args=OBJECTIVES[objective], progress=False, **VIEWS | {"epochs": epochs}, **several,
        )  # fmt: skip
        before = run.report.before or {}
        return {
            "cmc@1": run.report.metrics["cmc@1"], "map@r": run.report.metrics["map@r"],
            "interval": run.report.intervals.get("cmc@1"), "before cmc@1": before.get("cmc@1"),
            "precision": run.report.facts["trained in"], "rank": float(run.history["rank"].iloc[-1]),
            "std": float(run.history["std"].iloc[-1]),
        }  # fmt: skip


def lightly_simclr() -> dict[str, Any]:
    """The same body, views, batches and optimizer in a loop with Lightly's loss and head."""
    import numpy as np
    import torch
    from lightly.loss import NTXentLoss  # type: ignore[import-untyped]
    from lightly.models.modules import SimCLRProjectionHead  # type: ignore[import-untyped]

    import omlzoo
    from omlzoo.data import table
    from omlzoo.data.dataset import ImageTable, Seeded, collate
    from omlzoo.data.transforms import Transform
    from omlzoo.data.views import Views
    from omlzoo.samplers import Balanced

    body = small_resnet()
    pre = body.entry.preprocess.scaled(48)
    body.weights = replace(body.facts, entry=replace(body.entry, preprocess=pre))
    rows = table.read(DATA / "omniglot" / "omniglot.csv", "train")
    fit = rows.rows((rows.frame["split"] == "train").to_numpy())
    fit = replace(fit, frame=fit.frame.assign(label=np.arange(len(fit))))
    torch.manual_seed(0)
    head, loss = SimCLRProjectionHead(body.dim, 512, 128), NTXentLoss(0.2)
    optimizer = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-3)
    batches = Seeded(Balanced(list(range(len(fit))), 128, 1), 0)
    steps = 60 * len(batches)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    transform = Transform(pre)
    pictures = ImageTable(fit, Views(pre, "drawing"))
    loader = torch.utils.data.DataLoader(pictures, batch_sampler=batches, collate_fn=collate, num_workers=1)
    body.train()
    for epoch in range(60):
        batches.set_epoch(epoch)
        for views, *_ in loader:
            value = loss(*(head(body(transform.normalize(view))) for view in views))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            rate.step()
    report = omlzoo.evaluate(body.eval(), DATA / "omniglot" / "omniglot.csv", precision="fp32", progress=False)
    return {"cmc@1": report.metrics["cmc@1"], "map@r": report.metrics["map@r"],
            "interval": report.intervals.get("cmc@1"), "lightly": version("lightly")}  # fmt: skip


def alarm(objective: str, arguments: dict[str, Any], broken: bool = False) -> dict[str, Any]:
    """A collapse made on purpose: the epoch in which the alarm stopped the run, and what it said."""
    import omlzoo
    from omlzoo import catalog
    from omlzoo.errors import BadInput
    from omlzoo.objectives import BYOL

    class WithoutPredictor(BYOL):
        def __init__(self, width: int, **given: Any) -> None:
            from torch import nn

            super().__init__(width, **given)
            self.predictor = nn.Identity()

    find = catalog.find
    if broken:
        catalog.find = lambda room, name: WithoutPredictor if name == objective else find(room, name)  # type: ignore[assignment]
    several: dict[str, Any] = {"locals": 2} if objective in ("DINO", "SwAV") else {}
    settings = VIEWS | {"epochs": 12, "warmup": 0.1, "objective": objective, "objective_args": arguments} | several
    try:
        with tempfile.TemporaryDirectory() as folder:
            omlzoo.pretrain(small_resnet(), DATA / "omniglot" / "omniglot.csv", out=Path(folder) / "run",
                            progress=False, **settings)  # fmt: skip
    except BadInput as error:
        return {"stopped": True, "said": str(error)}
    finally:
        catalog.find = find
    return {"stopped": False}


ROWS: dict[str, Callable[[], dict[str, Any]]] = {
    **{f"omniglot-{name.lower()}": lambda name=name: pretrained(name) for name in OBJECTIVES},  # type: ignore[misc]
    "omniglot-simclr-20-epochs": lambda: pretrained("SimCLR", 20),
    "omniglot-lightly-simclr": lightly_simclr,
    "alarm-byol-without-predictor": lambda: alarm("BYOL", {"momentum": 0.5}, broken=True),
    "alarm-swav-epsilon-1": lambda: alarm("SwAV", {"prototypes": 512, "epsilon": 1.0}),
    "alarm-dino-temperature-0.1": lambda: alarm(
        "DINO", {"prototypes": 1024, "teacher_temperature": 0.1, "start_temperature": 0.1}
    ),
}


def run(name: str) -> None:
    """Run a row and keep it."""
    begun, processor = time.perf_counter(), time.process_time()
    values = ROWS[name]()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    row = {
        "row": name, "what": ((alarm if name.startswith("alarm") else pretrained).__doc__ or "").strip(),
        "values": values, "seed": 0,
        "command": f"python scripts/evidence.py {name}", "commit": commit.stdout.strip(),
        "seconds": round(time.perf_counter() - begun), "processor seconds": round(time.process_time() - processor),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"), "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {each: version(each) for each in ("torch", "timm")},
    }  # fmt: skip
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n")
    print(json.dumps(row, indent=1))


def write() -> None:
    """Write the page from the rows that were kept; a row that was not run says so."""
    lines = [*HEAD.splitlines(), ""]
    lines += [
        "| row | CMC@1 | interval over labels | MAP@R | before | seconds | commit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in (name for name in ROWS if not name.startswith("alarm")):
        file = KEPT / f"{name}.json"
        if not file.is_file():
            lines.append(f"| {name} | not run | | | | | |")
            continue
        row = json.loads(file.read_text())
        values, interval = row["values"], row["values"].get("interval")
        between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
        before = values.get("before cmc@1")
        lines.append(f"| {name} | {values['cmc@1']:.3f} | {between} | {values['map@r']:.3f} | "
                     f"{'' if before is None else f'{before:.3f}'} | {row['seconds']} | {row['commit']} |")  # fmt: skip
    lines += [
        "",
        "Collapses made on purpose, in runs of at most 12 epochs:",
        "",
        "| row | what the alarm said |",
        "|---|---|",
    ]
    for name in (name for name in ROWS if name.startswith("alarm")):
        file = KEPT / f"{name}.json"
        found = json.loads(file.read_text())["values"] if file.is_file() else {}
        said = found.get("said", "nothing: it was not stopped" if found else "not run").partition("; to go on")[0]
        lines.append(f"| {name} | {said} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for each in args.rows:
        run(each)
    if args.write:
        write()
    elif not args.rows:
        for each in ROWS:
            print(each, "kept" if (KEPT / f"{each}.json").is_file() else "not run")
        sys.exit(0)

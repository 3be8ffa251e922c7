"""Teach small students what the bundled model sees on Omniglot, and print a row of docs/distillation.md for each.

python scripts/teach_omniglot.py [ROW ...]     data at ../shared/data is needed; half-queue takes two processor minutes
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import omlzoo
from omlzoo import catalog
from omlzoo.checkpoints.weights import Weights
from omlzoo.models._extractor import Extractor

TABLE = Path(__file__).parent.parent.parent / "shared/data/omniglot/omniglot.csv"
TEACHER = "resnet_small_omniglot"
COMMON: dict[str, Any] = {"lr": 1e-3, "augment": "drawing", "precision": "fp32", "duplicates": False, "log": "none",
                          "workers": 0, "progress": False}  # fmt: skip
LABELS: dict[str, Any] = {"labels": 0.2, "loss": "SupConLoss"}
# Width of the student, whether it has the teacher, and the settings.
ROWS: dict[str, tuple[float, bool, dict[str, Any]]] = {
    "half-batch": (0.5, True, {"epochs": 20, "teacher_args": {"queue": 0}}),
    "half-queue": (0.5, True, {"epochs": 20}),
    "half-queue-labels-20": (
        0.5, True, {"epochs": 20, "teacher_weight": 0.5, "n_labels": 8, "n_instances": 4, "n_taught": 128, **LABELS},
    ),
    "half-40": (0.5, True, {"epochs": 40}),
    "half-80": (0.5, True, {"epochs": 80, "selection": 0.0}),
    "whole-20": (1.0, True, {"epochs": 20}),
    "half-only-labels-20": (0.5, False, {"epochs": 180, "n_labels": 16, "n_instances": 8, **LABELS}),
}  # fmt: skip


def student(width: float) -> Extractor:
    """The bundled model's body in one orientation, with random weights of seed 0.

    Args:
        width: Channels as a multiple of the bundled model's.
    """
    torch.manual_seed(0)
    model: Extractor = catalog.find("models", "resnet_small")(turns=1, width=width)
    entry = replace(
        omlzoo.get_weights(TEACHER).entry, name=f"resnet_small_x{width}", arch_args={"turns": 1, "width": width},
        dim=model.dim, params=sum(each.numel() for each in model.parameters()), metrics=(), sha256=None, size=None,
        file=None, fingerprint=None, calibration=None,
    )  # fmt: skip
    model.weights = Weights(entry)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], help="which rows; all by default")
    torch.set_num_threads(1)
    for row in parser.parse_args().rows or ROWS:
        width, taught, settings = ROWS[row]
        begun = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            more: dict[str, Any] = {"out": Path(folder) / "run", **COMMON, **settings}
            begin = student(width)
            run = (
                omlzoo.distil(begin, TABLE, teacher=TEACHER, **more)
                if taught
                else omlzoo.finetune(begin, TABLE, **more)
            )
        metrics, low_high = run.report.metrics, run.report.intervals.get("cmc@1", (float("nan"),) * 2)
        print(f"{row}: cmc@1 {metrics['cmc@1']:.3f} ({low_high[0]:.3f} to {low_high[1]:.3f}), map@r "
              f"{metrics['map@r']:.3f}, {time.process_time() - begun:.0f} processor seconds")  # fmt: skip


if __name__ == "__main__":
    main()

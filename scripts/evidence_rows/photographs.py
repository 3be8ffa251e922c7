"""Photographs and emoji: the photo model as it is, and fine-tuned."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evidence_rows.table import DATA, Table, between, measured

__all__ = ["TABLE"]

MODEL = "efficientnet_lite0_in1k"
PLACES = {"grocery": (DATA / "grocery" / "grocery_cross.csv", 160), "emoji": (DATA / "emoji" / "emoji.csv", 96)}
TEXT = """`efficientnet_lite0_in1k` at 160 pixels on `grocery_cross.csv` (42 products train, 39 others are searched)
and at 96 pixels on `emoji.csv` (1,161 labels train, 497 others are searched; a rendering in the same sequence never
counts). Settings were chosen on labels set apart from training; validation is looked at once, at the end of a run."""


def as_it_is(data: str) -> dict[str, Any]:
    """The photo model without any training."""
    import omlzoo

    file, side = PLACES[data]
    model = omlzoo.get_model(MODEL, image_size=side)
    return {**measured([omlzoo.evaluate(model, file, precision="fp32", progress=False)]), "seeds": [0]}


def finetuned(data: str, settings: Mapping[str, Any], seeds: tuple[int, ...]) -> dict[str, Any]:
    """The photo model after `finetune`, of each seed."""
    import omlzoo

    file, side = PLACES[data]
    reports, spent, precision = [], [], ""
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = omlzoo.finetune(omlzoo.get_model(MODEL), file, out=Path(folder) / "run", image_size=side, seed=seed,
                                  log="none", progress=False, **settings)  # fmt: skip
        reports.append(run.report)
        spent.append(float(run.history["seconds"].sum()))
        precision = str(run.report.facts["trained in"])
    return {**measured(reports), "seeds": list(seeds), "training seconds": sorted(spent)[len(spent) // 2],
            "precision": precision}  # fmt: skip


def cells(values: Mapping[str, Any]) -> list[str]:
    """CMC@1, its interval, MAP@R, CMC@1 of each seed, and seconds of training."""
    spent = values.get("training seconds")
    return [f"{values['cmc@1']:.3f}", between(values["interval"]), f"{values['map@r']:.3f}",
            ", ".join(f"{value:.3f}" for value in values["of each seed"]),
            "" if spent is None else f"{spent:.0f} ({values['precision']})"]  # fmt: skip


TABLE = Table(
    "Photographs", TEXT,
    ("CMC@1", "interval over labels", "MAP@R", "CMC@1 of each seed", "seconds of training, the median"), cells,
    {
        **{f"{data}-as-it-is": partial(as_it_is, data) for data in PLACES},
        **{f"{data}-defaults": partial(finetuned, data, {}, (0,)) for data in PLACES},
    },
)  # fmt: skip

"""How far few labels carry: from random weights, from a model that learned without labels, and chosen for labelling."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from evidence_rows.bodies import small_resnet
from evidence_rows.table import DATA, Table, between, measured
from evidence_rows.without_labels import VIEWS

__all__ = ["TABLE"]

SEEDS = (0, 1, 2)
STEPS, LABELS, INSTANCES = 300, 7, 8
START = Path(__file__).parents[2] / "runs" / "evidence" / "simclr-20-epochs"
SETTINGS: dict[str, Any] = {"loss": "SupConLoss", "loss_args": {"temperature": 0.1}, "miner": "none", "lr": 1e-3,
                            "image_size": 48, "sampler": "Balanced", "n_labels": LABELS, "n_instances": INSTANCES,
                            "augment": "drawing", "selection": 0.0, "duplicates": False, "log": "none",
                            "precision": "fp32"}  # fmt: skip
TEXT = f"""Omniglot as above, 48 pixels. {STEPS} steps of {LABELS} labels x {INSTANCES} drawings with SupCon at lr
1e-3 whatever the number of labels, each label with all its 20 drawings, the last epoch kept, nothing tuned; three
draws of the labels (of a chosen set: three seeds of the training). The model without labels is SimCLR after 20
epochs of all training drawings."""


def without_labels() -> Any:
    """The model that learned without labels; trained once and kept beside the project."""
    import omlzoo

    if not (START / "entry.json").is_file():
        omlzoo.pretrain(small_resnet(), DATA / "omniglot" / "omniglot.csv", out=START, objective="SimCLR", resume=True,
                        objective_args={"temperature": 0.2}, progress=False, **VIEWS | {"epochs": 20})  # fmt: skip
    return omlzoo.get_model(START)


def taught(pretrained: bool, share: float, chosen: bool = False) -> dict[str, Any]:
    """Three runs with a share of the labels, drawn, or chosen by the vectors of the model without labels."""
    import omlzoo
    from omlzoo.data import table
    from omlzoo.training import Recipe

    rows = table.read(DATA / "omniglot" / "omniglot.csv", "train")
    count = round(share * rows.frame[rows.frame["split"] == "train"]["label"].nunique())
    if chosen:
        rows, share = replace(rows, frame=_chosen(rows.frame, count)), 1.0
    epochs = max(1, round(STEPS / max(1, share * (rows.frame["split"] == "train").sum() // (LABELS * INSTANCES))))
    reports = []
    for seed in SEEDS:
        start = without_labels() if pretrained else small_resnet(seed)
        recipe = Recipe(**SETTINGS, epochs=epochs, labels=share, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            run = omlzoo.finetune(start, rows.frame, root=rows.root, out=Path(folder) / "run", recipe=recipe,
                                  progress=False)  # fmt: skip
        reports.append(run.report)
    return {**measured(reports), "seeds": list(SEEDS), "epochs": epochs, "labels": count}


def _chosen(frame: Any, count: int) -> Any:
    """The rows without the training labels that were not chosen: the first so many among pictures that are unlike."""
    import omlzoo
    from omlzoo.curation import Diversity, Typicality, choose

    train = frame[frame["split"] == "train"].reset_index(drop=True)
    vectors = omlzoo.embed(without_labels(), train, root=DATA / "omniglot", precision="fp32", progress=False).vectors
    order = choose(vectors, len(train) // 4, [Diversity(0.0, 1.0), Typicality(strength=1.0)])
    labels = list(dict.fromkeys(train["label"].iloc[list(order)]))[:count]
    return frame[(frame["split"] != "train") | frame["label"].isin(labels)].reset_index(drop=True)


def cells(values: Mapping[str, Any]) -> list[str]:
    """CMC@1, its interval, MAP@R, and CMC@1 of each draw."""
    return [f"{values['cmc@1']:.3f}", between(values["interval"]), f"{values['map@r']:.3f}",
            ", ".join(f"{value:.3f}" for value in values["of each seed"])]  # fmt: skip


SHARES = {"7": 0.05, "27": 0.2, "136": 1.0}
TABLE = Table(
    "Few labels", TEXT, ("CMC@1", "interval over labels", "MAP@R", "CMC@1 of each draw"), cells,
    {
        **{f"labels-{name}-random": partial(taught, False, share) for name, share in SHARES.items()},
        **{f"labels-{name}-pretrained": partial(taught, True, share) for name, share in SHARES.items()},
        **{f"labels-{name}-chosen": partial(taught, True, SHARES[name], True) for name in ("7", "27")},
    },
)  # fmt: skip

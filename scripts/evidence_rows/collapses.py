"""Collapses made on purpose, which the alarm must name."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from evidence_rows.bodies import small_resnet
from evidence_rows.table import DATA, Table
from evidence_rows.without_labels import SEVERAL, VIEWS

__all__ = ["TABLE"]


def alarm(objective: str, arguments: dict[str, Any], broken: bool = False) -> dict[str, Any]:
    """What the alarm said, if it stopped the run; ``broken`` takes BYOL's predictor away."""
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

    def found(room: str, name: str) -> Any:
        return WithoutPredictor if broken and name == objective else find(room, name)

    several: dict[str, Any] = {"locals": 2} if objective in SEVERAL else {}
    settings = VIEWS | {"epochs": 12, "warmup": 0.1, "objective": objective, "objective_args": arguments} | several
    try:
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(catalog, "find", found):
            run = omlzoo.pretrain(small_resnet(), DATA / "omniglot" / "omniglot.csv", out=Path(folder) / "run",
                                  progress=False, **settings)  # fmt: skip
    except BadInput as error:
        return {"stopped": True, "said": str(error), "seeds": [0]}
    last = run.history.iloc[-1]
    return {"stopped": False, "seeds": [0],
            **{name: float(last[name]) for name in ("loss", "std", "rank") if name in last}}  # fmt: skip


def cells(values: Mapping[str, Any]) -> list[str]:
    """What was said, or what the last epoch shows."""
    if values["stopped"]:
        return [values["said"].partition("; to go on")[0]]
    shown = ", ".join(f"{name} {values[name]:.3f}" for name in ("loss", "std", "rank") if name in values)
    return [f"nothing: it was not stopped{shown and f' ({shown})'}"]


TABLE = Table(
    "Collapses made on purpose", "In runs of at most 12 epochs, on the same drawings.", ("what the alarm said",), cells,
    {
        "alarm-byol-without-predictor": partial(alarm, "BYOL", {"momentum": 0.5}, broken=True),
        "alarm-swav-epsilon-1": partial(alarm, "SwAV", {"prototypes": 512, "epsilon": 1.0}),
        "alarm-dino-temperature-0.1": partial(
            alarm, "DINO", {"prototypes": 1024, "teacher_temperature": 0.1, "start_temperature": 0.1}
        ),
    },
)  # fmt: skip

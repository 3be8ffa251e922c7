"""Logs for the curves of a run: TensorBoard, Weights & Biases, MLflow, or none."""

import os
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from omlzoo import catalog
from omlzoo.errors import MissingExtra
from omlzoo.training.recipe import Recipe

__all__ = ["CURVES", "Log", "Nowhere", "find_log", "open_log"]

CURVES = "tensorboard"  # a folder of the run folder


class Log(Protocol):
    """Receives the numbers of a run as they are computed."""

    def add(self, step: int, numbers: dict[str, float]) -> None:
        """Add the numbers of a step.

        Args:
            step: Number of optimizer steps so far.
            numbers: The numbers by name.
        """

    def close(self) -> None:
        """Close the log when the run ends."""


class Nowhere:
    """A log that keeps nothing."""

    def add(self, step: int, numbers: dict[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


class TensorBoard:
    """Event files in the folder ``tensorboard`` of the run folder; show them with ``tensorboard --logdir``."""

    def __init__(self, out: Path, recipe: Recipe) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(out / CURVES))

    def add(self, step: int, numbers: dict[str, float]) -> None:
        for name, number in numbers.items():
            self.writer.add_scalar(name, number, step)

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run of the project "omlzoo"; ``WANDB_PROJECT``, ``WANDB_MODE`` and its other variables are respected."""

    def __init__(self, out: Path, recipe: Recipe) -> None:
        wandb = catalog.optional("wandb", "wandb")
        project = os.environ.get("WANDB_PROJECT", "omlzoo")
        self.run: Any = wandb.init(project=project, name=out.name, dir=str(out), config=asdict(recipe), resume="allow")

    def add(self, step: int, numbers: dict[str, float]) -> None:
        self.run.log(numbers, step=step)

    def close(self) -> None:
        self.run.finish()


class MLflow:
    """A run of MLflow; ``MLFLOW_TRACKING_URI`` and its other variables are respected."""

    def __init__(self, out: Path, recipe: Recipe) -> None:
        self.mlflow = mlflow = catalog.optional("mlflow", "mlflow")
        mlflow.start_run(run_name=out.name)
        mlflow.log_params(asdict(recipe))

    def add(self, step: int, numbers: dict[str, float]) -> None:
        self.mlflow.log_metrics({name.replace("@", "_at_"): number for name, number in numbers.items()}, step=step)

    def close(self) -> None:
        self.mlflow.end_run()


LOGS: dict[str, Callable[[Path, Recipe], Log]] = {
    "none": lambda out, recipe: Nowhere(),
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


def find_log(name: str) -> str:
    """The log that a name stands for; "auto" is TensorBoard if it is installed.

    Raises:
        MissingExtra: The package of the log is not installed.
    """
    if name == "auto":
        name = "tensorboard" if find_spec("tensorboard") else "none"
    if name != "none" and not find_spec(name):
        raise MissingExtra(name, "train" if name == "tensorboard" else name)
    return name


def open_log(name: str, out: Path, recipe: Recipe) -> Log:
    """Open a log.

    Args:
        name: A name that :func:`find_log` returned.
        out: The run folder, for logs that write files there.
        recipe: The settings, which some logs record.
    """
    return LOGS[name](out, recipe)

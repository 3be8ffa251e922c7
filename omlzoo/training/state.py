"""The progress of a run, and the file from which it goes on after an interruption."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omlzoo.errors import BadInput, notice
from omlzoo.files import check_regular, new_file
from omlzoo.training.distributed import from_first, is_first
from omlzoo.training.loop import EpochSummary
from omlzoo.training.step import Optimization

__all__ = ["Progress", "difference", "kept_precision", "read", "write"]

FORMAT = 3  # of the saved state; others are refused
DAMAGED = "is no saved state that can be read; begin the run again, under another name"
SAID = 200  # characters of a reader's message that ours repeats


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        epochs: Number of finished epochs.
        summary: Summary of the epoch under way; None between epochs.
        history: A row for each finished epoch.
        skipped: Row and error of the pictures that could not be read.
        best: Weights of the best epoch.
        best_text: What is kept of the text tower of the best epoch, in runs that learn from captions.
        best_epoch: Number of the best epoch, from 1; 0 before the first.
        best_value: Value of the metric that chose the best epoch.
        before: Metrics of the validation rows before training.
        ranking: The ranking of the validation rows before training, by ``pack_ranking`` of the module validation.
        neighbours: What a sampler found that is told the vectors, such as NearestLabels.
        duplicates: Validation pictures that are also training pictures; None where they are not looked for.
        uncompared: Number of pictures that could not be compared for that.
        stopped: The callback that ended the run; empty while it goes on.
        seconds: Duration of the run until the state was written, over all processes that resumed it.
    """

    epochs: int = 0
    summary: EpochSummary | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_text: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_value: float = float("nan")
    before: dict[str, Any] | None = None
    ranking: dict[str, Tensor] | None = None
    neighbours: Tensor | None = None
    duplicates: list[dict[str, Any]] | None = None
    uncompared: int = 0
    stopped: str = ""
    seconds: float = 0.0


def write(path: Path, progress: Progress, work: Optimization, identity: Mapping[str, str]) -> None:
    """Write the state of a run in the first process; an interruption leaves the file complete or as it was.

    Args:
        path: The file to write.
        progress: The progress of the run.
        work: Model, objective and optimizer.
        identity: Texts by name that a resumed run has to agree with.
    """
    if not is_first():
        return
    values = {name: getattr(progress, name) for name in progress.__dataclass_fields__}
    summary = None if progress.summary is None else asdict(progress.summary)
    random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}
    state = {
        "format": FORMAT,
        **identity,
        "precision": work.precision,
        "progress": {**values, "summary": summary},
        "work": work.state_dict(),
        "random": random,
    }
    with new_file(path) as temporary:
        torch.save(state, temporary)


def read(path: Path, work: Optimization, identity: Mapping[str, str]) -> Progress:
    """Restore the state of a run, including random numbers.

    Args:
        path: The file that :func:`write` wrote.
        work: Model, objective and optimizer, restored in place.
        identity: Texts by name that the saved ones have to equal.

    Raises:
        BadInput: The state is of another table, recipe or start, or of another version of omlzoo.
    """
    state: dict[str, Any] = from_first(_loaded(path) if is_first() else None)
    if state.get("format") != FORMAT:
        raise BadInput(f"{path} was saved by another version of omlzoo; begin the run again, under another name")
    for name, now in identity.items():
        if state.get(name) != now:
            was = difference(str(state.get(name)), now)
            raise BadInput(f"{path.parent} was run with another {name}: {was}; resume with the same")
    try:
        return _restored(state, work)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path} {DAMAGED} ({type(error).__name__}: {str(error).splitlines()[0][:SAID]})") from error


def kept_precision(path: Path) -> str | None:
    """The precision of the run that saved a state; None in states of earlier versions.

    Raises:
        BadInput: It is no saved state.
    """
    kept = _loaded(path).get("precision")
    return kept if kept in ("fp32", "bf16") else None


def _loaded(path: Path) -> dict[str, Any]:
    """The saved state, of plain values and tensors: a pickle that would run anything is refused."""
    check_regular(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch's readers raise anything on damaged files
        raise BadInput(f"{path} {DAMAGED} ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise BadInput(f"{path} {DAMAGED} (it holds no state)")
    return state


def _restored(state: Mapping[str, Any], work: Optimization) -> Progress:
    work.load_state_dict(state["work"])
    torch.set_rng_state(state["random"]["cpu"])
    if len(state["random"]["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["random"]["cuda"])
    elif state["random"]["cuda"]:
        notice("the run began on other GPUs; dropout goes on with other random numbers")
    values = dict(state["progress"])
    summary = values.pop("summary")
    return Progress(**values, summary=None if summary is None else EpochSummary(**summary))


def difference(was: str, now: str) -> str:
    """The first line in which two texts differ, as a text that shows both.

    Args:
        was: The saved text.
        now: The text of this run.
    """
    lines = zip(was.splitlines(), now.splitlines(), strict=False)
    first = next(((a, b) for a, b in lines if a != b), (was, now))
    return f"{first[0]} there, {first[1]} here"

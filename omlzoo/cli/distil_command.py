"""omlzoo distil: teaches a model what another one sees; the recipe's settings are the flags."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli import INTERRUPTED
from omlzoo.cli.output import print_line, print_report, print_run
from omlzoo.cli.recipe_flags import NOTHING, Flags, settings_of
from omlzoo.cli.trusting import Trusted, allow

__all__ = ["distil_command"]


def distil_command(
    table: Path,
    *,
    model: str,
    teacher: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    config: str | None = None,
    scratch: bool = False,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    all: bool = False,
    flags: Annotated[Flags, Parameter(name="*")] = NOTHING,
    trust: Trusted = None,
) -> int:
    """Teach a model, often a small one, what a teacher sees in every picture, with labels or without.

    Parameters
    ----------
    table
        A csv or parquet file with the column path, or a folder of pictures; rows without a label count.
    model
        The student: a checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    teacher
        The teacher, likewise.
    out
        The run folder to write.
    config
        A TOML file of settings. Flags stand above it.
    scratch
        Start the student from random weights.
    resume
        Go on with the run in the folder.
    device
        cpu, cuda, or auto.
    root
        Where relative paths start; the table's folder by default.
    all
        Print all metrics, not the first five.
    """
    allow(trust)
    from omlzoo.training import Recipe, distil
    from omlzoo.training.distributed import is_first

    recipe = None if config is None else Recipe.read(config)
    run = distil(model, table, teacher=teacher, out=out, recipe=recipe, scratch=scratch, resume=resume, device=device,
                 root=root, **settings_of(flags))  # fmt: skip
    if not is_first():
        return 0
    facts = run.report.facts
    if run.report.metrics:
        print_report(run.report, all)
    for name in (name for name in facts if name.startswith("teacher's ") and "sha256" not in name):
        print_line(f"{name} {facts[name]}")
    print_run(run)
    return INTERRUPTED if run.interrupted else 0

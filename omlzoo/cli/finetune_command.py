"""omlzoo finetune: the recipe's settings are the flags."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli import INTERRUPTED
from omlzoo.cli.output import print_report, print_run
from omlzoo.cli.recipe_flags import NOTHING, Flags, settings_of
from omlzoo.cli.trusting import Trusted, allow

__all__ = ["finetune_command"]


def finetune_command(
    table: Path,
    *,
    model: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    config: str | None = None,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    all: bool = False,
    flags: Annotated[Flags, Parameter(name="*")] = NOTHING,
    trust: Trusted = None,
) -> int:
    """Fine-tune a model on a table and measure it before and after.

    Parameters
    ----------
    table
        A csv or parquet file, or a folder with a sub-folder per label.
    model
        Where to start: a checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    out
        The run folder to write.
    config
        A TOML file of settings, or a ready recipe: inshop, sop, cub, cars, product_search, reidentification,
        few_photos. Flags stand above it.
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
    from omlzoo.training import Recipe, finetune
    from omlzoo.training.distributed import is_first

    recipe = None if config is None else Recipe.read(config)
    run = finetune(model, table, out=out, recipe=recipe, resume=resume, device=device, root=root, **settings_of(flags))
    if not is_first():
        return 0
    print_report(run.report, all)
    print_run(run)
    return INTERRUPTED if run.interrupted else 0

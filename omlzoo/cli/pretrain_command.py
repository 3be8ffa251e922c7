"""omlzoo pretrain: learns from pictures without labels; the recipe's settings are the flags."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli import INTERRUPTED
from omlzoo.cli.output import print_line, print_report, print_run
from omlzoo.cli.recipe_flags import NOTHING, Flags, settings_of
from omlzoo.cli.trusting import Trusted, allow

__all__ = ["pretrain_command"]


def pretrain_command(
    pictures: Path,
    *,
    model: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    config: str | None = None,
    scratch: bool = False,
    preview: bool = False,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    all: bool = False,
    flags: Annotated[Flags, Parameter(name="*")] = NOTHING,
    trust: Trusted = None,
) -> int:
    """Train a model on pictures without labels; the run folder is a checkpoint that finetune and embed take.

    Parameters
    ----------
    pictures
        A folder of pictures, or a csv or parquet file with the column path.
    model
        Where to start: a checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    out
        The run folder to write; with --preview, the page.
    config
        A TOML file of settings. Flags stand above it.
    scratch
        Start from random weights.
    preview
        Write a page with ten pictures and their views, and do not train.
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
    from omlzoo.training import Recipe, pretrain
    from omlzoo.training.distributed import is_first

    recipe = None if config is None else Recipe.read(config)
    settings = settings_of(flags)
    if preview:
        from omlzoo.cli.view_page import preview_views

        page = preview_views(model, pictures, out, recipe, root, **settings)
        print_line(f"{page} shows ten pictures with their views")
        return 0
    run = pretrain(model, pictures, out=out, recipe=recipe, scratch=scratch, resume=resume, device=device, root=root,
                   **settings)  # fmt: skip
    if not is_first():
        return 0
    if run.report.metrics:
        print_report(run.report, all)
    print_run(run)
    return INTERRUPTED if run.interrupted else 0

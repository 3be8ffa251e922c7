"""omlzoo finetune: the recipe's settings are the flags."""

import re
from dataclasses import asdict, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.cli import INTERRUPTED
from omlzoo.cli.output import print_line, print_metrics
from omlzoo.cli.trusting import Trusted, allow
from omlzoo.errors import BadInput
from omlzoo.jsonio import parse_json

__all__ = ["finetune_command"]


def _flags() -> Any:
    """The recipe's settings with None for "not given", each with its text from the recipe's docstring."""
    from omlzoo.training.recipe import Recipe

    texts = dict(re.findall(r"^\s{8}(\w+): (.+?)$", Recipe.__doc__ or "", flags=re.MULTILINE))
    defaults = asdict(Recipe())
    settings = []
    for item in fields(Recipe):
        kind: Any = {"loss_args": dict[str, str], "add_losses": dict[str, float]}.get(item.name, item.type)
        text = f"{texts[item.name]} [default: {defaults[item.name]}]"
        settings.append((item.name, Annotated[kind | None, Parameter(help=text, show_default=False)], None))
    made = make_dataclass("Flags", settings)
    made.__module__ = __name__  # where its annotations are looked up
    return made


Flags: Any = _flags()
NOTHING = Flags()


def finetune_command(
    table: Path,
    *,
    model: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    config: str | None = None,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
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
    """
    allow(trust)
    from omlzoo.training import Recipe, finetune
    from omlzoo.training.distributed import is_first

    recipe = None if config is None else Recipe.read(config)
    settings = {name: value for name, value in asdict(flags).items() if value is not None}
    if "loss_args" in settings:
        settings["loss_args"] = {name: _number(text) for name, text in settings["loss_args"].items()}
    run = finetune(model, table, out=out, recipe=recipe, resume=resume, device=device, root=root, **settings)
    if not is_first():
        return 0
    print_metrics(run.report.metrics, run.report.before)
    print_line(f"\n{run.folder}: epoch {run.report.facts['epoch kept']} kept; {run.folder / 'report.html'} shows it")
    return INTERRUPTED if run.interrupted else 0


def _number(text: str) -> Any:
    try:
        return parse_json(text, "the setting")
    except BadInput:
        return text

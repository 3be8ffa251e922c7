"""omlzoo finetune: the recipe's settings are the flags."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.cli import INTERRUPTED
from omlzoo.cli.output import print_line, print_report, print_run
from omlzoo.cli.recipe_flags import NOTHING, Flags, settings_of
from omlzoo.cli.trusting import Trusted, allow
from omlzoo.errors import BadInput
from omlzoo.files import new_file

__all__ = ["finetune_command"]

SHOWN = 12  # rates that are printed, about


def finetune_command(
    table: Path,
    *,
    model: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    config: str | None = None,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    lr_range: bool = False,
    sweep: int = 0,
    sweep_over: list[str] | None = None,
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
    lr_range
        Train nothing, but write the losses of a hundred steps with a rising learning rate beside the run folder, and
        say which rate they suggest.
    sweep
        Trials of settings by Optuna before the run, which has those of the best; 0 makes none.
    sweep_over
        A setting that is tried, with its values: lr=1e-6..1e-3, "loss=SupConLoss|TripletLoss", loss_args.margin=0.1..1.
        It may be given several times; by default the learning rate, the weight decay, and the loss's margin or
        temperature.
    all
        Print all metrics, not the first five.
    """
    allow(trust)
    from omlzoo.training import Recipe, finetune
    from omlzoo.training.distributed import is_first

    recipe = None if config is None else Recipe.read(config)
    if lr_range:
        if sweep or resume:
            raise BadInput("--lr-range trains no run; leave --sweep and --resume out")
        return _try_rates(out, model=model, table=table, recipe=recipe, device=device, root=root, **settings_of(flags))
    run = finetune(model, table, out=out, recipe=recipe, resume=resume, device=device, root=root, sweep=sweep,
                   sweep_over=_named(sweep_over), **settings_of(flags))  # fmt: skip
    if not is_first():
        return 0
    print_report(run.report, all)
    print_run(run)
    return INTERRUPTED if run.interrupted else 0


def _try_rates(out: Path, **given: Any) -> int:
    """Write the curve of a range test, and print a part of it with the rate that it suggests."""
    from omlzoo.training import lr_range_test

    path = out.with_name(f"{out.name}.lr_range.csv")
    found = lr_range_test(**given)
    with new_file(path) as temporary:
        found.curve.to_csv(temporary, index=False)
    for row in found.curve.iloc[:: max(1, len(found.curve) // SHOWN)].itertuples():
        print_line(f"lr {row.lr:.2e}  loss {row.smoothed:.4f}")
    print_line(f"\n{path} has all; " + ("no rate follows" if found.lr is None else f"begin with --lr {found.lr:.1e}"))
    return 0


def _named(over: list[str] | None) -> dict[str, str] | None:
    """The values of each setting that is tried; None where none were named."""
    if over is None:
        return None
    pairs = [text.partition("=") for text in over]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise BadInput(f"--sweep-over is {wrong[0]!r}; name a setting with its values, such as lr=1e-6..1e-3")
    return {name: values for name, _, values in pairs}

"""The command ``omlzoo``: the only place that prints and exits.

Standard output carries the result and nothing else; notices and progress go to standard error. The exit code is 0 after
success, 2 after an error that the user can correct, and 130 after an interruption. Any other error is a bug and shows
its traceback.
"""

import logging
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from cyclopts import App, CycloptsError, Group

import omlzoo
from omlzoo.cli.output import print_line
from omlzoo.errors import OmlzooError, OmlzooWarning
from omlzoo.pages.labels import readable
from omlzoo.zoo.trusting import forget_trust

__all__ = ["COMMANDS", "commands", "main"]

COMMANDS = {
    "Start": {
        "demo": "everything offline on invented drawings, as pages to look at",
        "list": "the checkpoints of the zoo, by task, licence, size and speed",
        "show": "every fact of one checkpoint, with its sources",
        "recommend": "three checkpoints for a task, and why",
        "doctor": "what is stored here, what is broken, and the settings",
    },
    "Search": {
        "embed": "pictures to vectors",
        "index": "vectors to an index",
        "migrate": "an index to another model",
        "search": "the nearest pictures, for pictures or for words",
        "serve": "a page to drop a photo on, and an HTTP API",
        "tidy": "near-duplicates, oddities and kinds of pictures",
        "select": "which pictures to label next",
    },
    "Measure": {
        "check": "every fault of a table, with row, value and remedy",
        "split": "a table's rows for training and for measuring, without leaks",
        "evaluate": "how well a model searches your pictures, as a report",
        "calibrate": "thresholds: the same item, or one never seen",
    },
    "Train": {
        "finetune": "a model on your table of labels",
        "pretrain": "a model on pictures without labels",
        "distil": "a small model from a large one",
    },
    "Weights": {
        "fetch": "download and check weights, or carry them offline",
        "convert": "a foreign checkpoint to safetensors and an entry",
        "export": "a model as TorchScript, ONNX or ExecuTorch",
        "push": "a run to the Hugging Face Hub",
        "pack": "a run as a wheel that adds its name to the zoo",
    },
}
INTERRUPTED = 130

RESUMING = ("finetune", "pretrain", "distil")  # go on with --resume
CONTINUING = ("embed", "fetch", "migrate")  # go on where they are given again


def commands(described: bool = False) -> App:
    """The command with its sub-commands, of which none is imported before it is run.

    Args:
        described: Whether each has its line in the list of all, which then stands above its own help too.
    """
    made = App(name="omlzoo", version=omlzoo.__version__, help="A pretrained model zoo for metric learning.")
    for number, (title, lines) in enumerate(COMMANDS.items()):
        shown = {"group": Group(title, sort_key=number)} if described else {}
        for name, line in lines.items():
            texts: dict[str, Any] = {"help": line, **shown} if described else {}
            made.command(f"omlzoo.cli.{name}_command:{name}_command", name=name, **texts)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # whatever the terminal cannot show is shown as its number
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _notice
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started, one speaks
    warnings.simplefilter("once" if first else "ignore", OmlzooWarning)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("omlzoo: %(message)s"))
    handler.addFilter(_readable)
    log = logging.getLogger("omlzoo")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO if first else logging.ERROR)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = commands(described=not given or given[0] in ("--help", "-h"))(
            given,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        return _refuse(" ".join(str(error).split()))
    except BrokenPipeError:  # the reader has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OmlzooError, OSError) as error:
        return _refuse(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        print_line(f"omlzoo: interrupted; what was finished is kept{_way_on(given)}", error=True)
        return INTERRUPTED
    finally:
        forget_trust()
    if code == INTERRUPTED and first:
        print_line(f"omlzoo: interrupted{_way_on(given)}", error=True)
    return code if isinstance(code, int) else 0


def _way_on(given: list[str]) -> str:
    """The command that goes on with an interrupted one; empty where it begins anew."""
    name = next(iter(given), "")
    if name not in RESUMING + CONTINUING:
        return ""
    resume = ["--resume"] if name in RESUMING and "--resume" not in given else []
    return "; go on with: " + shlex.join(["omlzoo", *given, *resume])


def _readable(record: logging.LogRecord) -> bool:
    record.msg, record.args = readable(record.getMessage()), None
    return True


def _refuse(message: str) -> int:
    print_line(f"omlzoo: {message}", error=True)
    return 2


def _notice(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    kind = "note" if issubclass(category, OmlzooWarning) else category.__name__
    print_line(f"omlzoo: {kind}: {message}", error=True)

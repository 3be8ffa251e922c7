"""The command ``omlzoo``: the only place that prints and exits.

Standard output carries the result and nothing else; notices and progress go to standard error. The exit code is 0 after
success, 2 after an error that the user can correct, and 130 after an interruption. Any other error is a bug and shows
its traceback.
"""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from cyclopts import App, CycloptsError

import omlzoo
from omlzoo.cli.output import print_line
from omlzoo.errors import OmlzooError, OmlzooWarning
from omlzoo.pages.labels import readable
from omlzoo.zoo.trusting import forget_trust

__all__ = ["app", "main"]

COMMANDS = (
    "list",
    "show",
    "recommend",
    "fetch",
    "convert",
    "doctor",
    "push",
    "pack",
    "check",
    "embed",
    "index",
    "migrate",
    "search",
    "evaluate",
    "calibrate",
    "select",
    "tidy",
    "export",
    "serve",
    "finetune",
    "pretrain",
    "distil",
    "demo",
)
INTERRUPTED = 130

app = App(name="omlzoo", version=omlzoo.__version__, help="A pretrained model zoo for metric learning.")
for _name in COMMANDS:
    app.command(f"omlzoo.cli.{_name}_command:{_name}_command", name=_name)


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
    try:
        code = app(
            list(sys.argv[1:] if arguments is None else arguments),
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
        print_line("omlzoo: interrupted; what was finished is kept", error=True)
        return INTERRUPTED
    finally:
        forget_trust()
    return code if isinstance(code, int) else 0


def _readable(record: logging.LogRecord) -> bool:
    record.msg, record.args = readable(record.getMessage()), None
    return True


def _refuse(message: str) -> int:
    print_line(f"omlzoo: {message}", error=True)
    return 2


def _notice(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    kind = "note" if issubclass(category, OmlzooWarning) else category.__name__
    print_line(f"omlzoo: {kind}: {message}", error=True)

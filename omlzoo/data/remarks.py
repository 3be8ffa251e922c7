"""What was seen of pictures that are read all the same: counted over a run, and said once with the first name."""

from threading import Lock
from typing import Literal

from omlzoo.errors import notice

__all__ = ["Remark", "Remarks"]

Remark = Literal["notes", "profile", "lost profile", "shallow"]
WORDS: dict[Remark, str] = {
    "notes": "damaged EXIF notes; such pictures are taken as they are stored",
    "profile": (
        "a colour profile that is not sRGB; their levels are taken as they are, as by the authors of the weights; "
        "icc='srgb' (--icc srgb) converts them"
    ),
    "lost profile": "a colour profile that cannot be used; their levels are taken as they are",
    "shallow": (
        "16 bits and only levels below 4096 of 65535, which is nearly black; save them with their own depth (8 bits, "
        "or a TIFF or PNG that declares it)"
    ),
}


class Remarks:
    """Counts of a run; threads may add to it."""

    def __init__(self) -> None:
        self.counts: dict[Remark, int] = {}
        self.first: dict[Remark, str] = {}
        self._said: set[Remark] = set()
        self._lock = Lock()

    def add(self, remark: Remark, name: str, count: int = 1) -> None:
        """Count pictures; ``name`` is that of the first one, by the order of letters."""
        with self._lock:
            self.counts[remark] = self.counts.get(remark, 0) + count
            self.first[remark] = min(name, self.first.get(remark, name))  # the same one whichever thread comes first

    def texts(self) -> list[str]:
        """A line for each kind that was counted and not returned before."""
        kinds = [kind for kind in WORDS if kind in self.counts and kind not in self._said]
        self._said.update(kinds)
        return [_line(self.counts[kind], WORDS[kind], self.first[kind]) for kind in kinds]

    def say(self) -> None:
        """Give notice of each kind, once."""
        for text in self.texts():
            notice(text)

    def say_kinds(self) -> None:
        """Give notice of each kind without a count or a name, so that Python shows it once however often it is said."""
        for kind in self.counts:
            notice(f"a picture has {WORDS[kind]}")


def _line(count: int, words: str, name: str) -> str:
    return f"{count} picture{'s have' if count > 1 else ' has'} {words}; the first: {name}"

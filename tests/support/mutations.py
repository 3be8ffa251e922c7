"""Damaged copies of good files, and a watch over what their reading does beside reading."""

import io
import random
import resource
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from omlzoo.errors import OmlzooError

__all__ = ["damaged", "only_refused", "watched"]

RUNS = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "pickle.find_class", "os.remove",
        "os.rename", "shutil.rmtree", "ctypes.dlopen"}  # fmt: skip
SEEN: list[str] = []
WATCHING = [False]
INTERESTING = (b"\x00", b"\xff", b"\x80", b"(", b".", b"]", b"}", b"R", b"\x7f\xff\xff\xff", b"\xff" * 8, b"-1", b"99999999999",
               b"null", b"[]", b"{}", b"NaN", b"1e999", b'"x"', b"..", b"/")  # fmt: skip


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHING[0] and (
        event in RUNS or (event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1]))
    ):
        SEEN.append(f"{event} {arguments}")


sys.addaudithook(_hook)


def damaged(content: bytes, number: int) -> bytes:
    """The content with one to four changes; the same number makes the same ones."""
    chance = random.Random(number)
    if content[:2] == b"PK" and chance.random() < 0.7:
        return _inside(content, chance)
    if content[8:9] == b"{" and chance.random() < 0.7:  # safetensors: the header stays as long as it says
        length = int.from_bytes(content[:8], "little")
        header = _changed(content[8 : 8 + length], chance)
        return len(header).to_bytes(8, "little") + header + content[8 + length :]
    return _changed(content, chance)


def _inside(content: bytes, chance: random.Random) -> bytes:
    """A zip file whose checksums are right, with one member changed, so that its reader gets that far."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        members = old.infolist()
        chosen = chance.choice([info for info in members if info.filename.endswith(".pkl")] + members[:2])
        for info in members:
            data = old.read(info)
            new.writestr(info.filename, _changed(data, chance) if info is chosen else data)
    return out.getvalue()


def _changed(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place, way = chance.randrange(len(changed) + 1), chance.randrange(6)
        if way == 0 and changed:
            changed[place % len(changed)] ^= 1 << chance.randrange(8)
        elif way == 1:
            changed[place : place + 1] = chance.choice(INTERESTING)
        elif way == 2:
            del changed[place : place + chance.randrange(9)]
        elif way == 3:
            other = chance.randrange(len(changed) + 1)
            changed[place:place] = changed[other : other + chance.randrange(20)]
        elif way == 4 and chance.random() < 0.2:
            del changed[place:]
        else:
            changed[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(changed)


@contextmanager
def watched(seconds: float = 5, megabytes: int = 400) -> Iterator[None]:
    """A block that runs nothing, writes nothing, asks nothing of a network and ends with bounded time and memory."""
    SEEN.clear()
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    WATCHING[0] = True
    try:
        yield
    finally:
        WATCHING[0] = False
    assert not SEEN, SEEN[:3]
    assert time.process_time() - begin < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < megabytes * 1000


def only_refused(read: Callable[[], Any]) -> bool:
    """Whether a reader accepts what it is given; it may refuse it, by an error of the project, in one line."""
    try:
        with watched():
            read()
    except OmlzooError as error:
        said = str(error)
    else:
        return True
    assert "\n" not in said, said
    assert len(said) < 3000, len(said)
    return False

"""Damaged copies of a file's content, the same at each run."""

import random
from collections.abc import Iterator

__all__ = ["mutations"]


def mutations(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Copies with flipped bits, overwritten, cut, doubled or missing parts, half of the damage near either end.

    Args:
        content: The content of a good file.
        count: Number of copies.
        seed: Seed of the damage.
    """
    chance = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 3)):
            start, end = _part(chance, len(damaged))
            kind = chance.randrange(6)
            if kind == 0 and damaged:
                damaged[start] ^= 1 << chance.randrange(8)
            elif kind == 1:
                damaged[start:end] = chance.randbytes(end - start)
            elif kind == 2:
                del damaged[start:end]
            elif kind == 3:
                damaged[start:start] = damaged[start:end]
            elif kind == 4:
                del damaged[start:]
            else:
                damaged[start:end] = bytes(chance.choice((0, 0xFF, 0x7F, 0x80)) for _ in range(end - start))
        yield bytes(damaged)


def _part(chance: random.Random, length: int) -> tuple[int, int]:
    """A short part: anywhere, or within the first or last 300 bytes, where formats keep what they say of the rest."""
    if not length:
        return 0, 0
    near = min(length, 300)
    start = chance.choice((chance.randrange(length), chance.randrange(near), length - 1 - chance.randrange(near)))
    return start, min(length, start + chance.choice((1, 2, 4, 8, 64)))

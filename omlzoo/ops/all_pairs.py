"""What compares all rows with all others says so before it starts, where that takes long."""

import time

import torch

from omlzoo.errors import notice

__all__ = ["say_if_long"]

LONG = 4_000_000_000  # pairs from which on it is said: about those of 63,000 rows among themselves
SIDE = 1024  # rows of the products by which the machine is measured


def say_if_long(what: str, left: int, right: int, dim: int) -> None:
    """Issue a notice with the least time that the products of all pairs take on this machine.

    Args:
        what: What compares them, such as "evaluation".
        left: Number of rows on one side.
        right: Number of rows on the other side.
        dim: Dimension of the vectors.
    """
    if left * right < LONG:
        return
    side, best = torch.ones(SIDE, dim), float("inf")
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(side, side.T)
        best = min(best, time.perf_counter() - start)
    minutes = best / SIDE**2 * left * right / 60
    notice(f"{what} compares {left:,} rows with {right:,}, all with all, which takes at least {minutes:.1g} minutes")

"""How many threads one request is worth: a small picture computes no faster with more of them."""

import time
from collections.abc import Callable

import torch

__all__ = ["threads_that_pay"]

GAIN = 1.25  # times faster that twice the threads must be, or they are better left to other requests
RUNS = 3  # of which the fastest counts: others may use the machine meanwhile


def threads_that_pay(work: Callable[[], object], cores: int, clock: Callable[[], float] = time.perf_counter) -> int:
    """The number of torch's threads, from 1 to ``cores``, up to which each doubling makes some work 1.25 x as fast.

    Args:
        work: Computes one request's vector. It is called four times for each number of threads that is tried.
        cores: The most threads, at least 1.
        clock: The time in seconds.
    """
    before = torch.get_num_threads()

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        work()
        times = []
        for _ in range(RUNS):
            begun = clock()
            work()
            times.append(clock() - begun)
        return min(times)

    try:
        threads, took = 1, seconds(1)
        while threads < cores:
            more = min(2 * threads, cores)
            faster = seconds(more)
            if took < GAIN * faster:
                break
            threads, took = more, faster
        return threads
    finally:
        torch.set_num_threads(before)

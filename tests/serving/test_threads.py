"""Threads are given to one request while they make it faster."""

import torch

from omlzoo.serving.threads import threads_that_pay


def chosen(speedup: dict[int, float], cores: int) -> tuple[int, list[int]]:
    """The choice where so many threads make the work so many times as fast, and the numbers that were tried."""
    tried: list[int] = []
    moment = 0.0

    def work() -> None:
        nonlocal moment
        tried.append(torch.get_num_threads())
        moment += 1 / speedup[torch.get_num_threads()]

    return threads_that_pay(work, cores, lambda: moment), sorted(set(tried))


def test_threads_are_added_while_each_doubling_pays() -> None:
    before = torch.get_num_threads()
    assert chosen({1: 1.0}, 1) == (1, [1])
    assert chosen({1: 1.0, 2: 1.2}, 2) == (1, [1, 2]), "a fifth is not worth twice the threads"
    assert chosen({1: 1.0, 2: 1.9}, 2) == (2, [1, 2])
    assert chosen({1: 1.0, 2: 1.9, 4: 3.5, 6: 3.6}, 6) == (4, [1, 2, 4, 6])
    assert chosen({1: 1.0, 2: 1.9, 3: 2.8}, 3) == (3, [1, 2, 3])
    assert torch.get_num_threads() == before

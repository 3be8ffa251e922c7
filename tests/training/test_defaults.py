"""Defaults that follow from the number of pictures."""

from omlzoo.training.defaults import loader_workers


def test_few_pictures_are_loaded_by_the_process_that_trains() -> None:
    assert loader_workers(100) == 0
    assert 1 <= loader_workers(10_000) <= 8

"""Rehearsals with a clock that the tests move, and vectors whose cosines can be checked by eye."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import toy

from omlzoo.embedding import rehearsal
from omlzoo.embedding.rehearsal import (
    Choice,
    Rehearsed,
    centred_cosine,
    may_rehearse,
    memory_of,
    rehearse,
    remember,
    remembered,
    weights_digest,
)
from omlzoo.errors import OmlzooWarning

CPU = torch.device("cpu")
PLAIN, HALF, OTHER = Choice("torch", "fp32"), Choice("torch", "bf16"), Choice("openvino", "bf16")
EXACT = np.array([[3.0, 0.0], [0.0, 3.0], [-3.0, 0.0], [0.0, -3.0]])


class Clock:
    """Seconds that pass only where a way computes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sizes: list[int] = []

    def process_time(self) -> float:
        return self.now

    def way(self, seconds: float, vectors: np.ndarray) -> Callable[[Sequence[Tensor]], np.ndarray]:
        def compute(pixels: Sequence[Tensor]) -> np.ndarray:
            self.now += seconds * len(pixels)
            self.sizes.append(len(pixels))
            return vectors[: len(pixels)]

        return compute


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rehearsal, "time", clock)
    return clock


def test_the_cosine_is_of_what_tells_pictures_apart() -> None:
    far = EXACT + 1000  # a plain cosine would be 1 whatever the small numbers are
    assert centred_cosine(far, far) == pytest.approx(1)
    turned = EXACT[[1, 2, 3, 0]] + 1000  # each a quarter of a circle further
    assert centred_cosine(turned, far) == pytest.approx(0, abs=1e-9)
    assert centred_cosine(np.full((4, 2), np.nan), far) == 0
    assert centred_cosine(np.ones((4, 2)), np.ones((4, 2))) == 0, "pictures that are all alike"


@pytest.mark.parametrize(
    ("half", "other", "taken"),
    [
        (0.5, 0.4, OTHER),  # both gain, the faster one is taken
        (0.79, 0.81, HALF),  # 1.27 and 1.23 times as fast
        (0.81, 0.9, PLAIN),  # neither gains 1.25
    ],
)
def test_the_fastest_is_taken_where_it_gains_a_quarter(half: float, other: float, taken: Choice, clock: Clock) -> None:
    ways = {PLAIN: clock.way(1, EXACT), HALF: clock.way(half, EXACT), OTHER: clock.way(other, EXACT)}
    found = rehearse(ways, [torch.zeros(1)] * 4, CPU)
    assert found.taken == taken
    assert found.gains == pytest.approx({str(PLAIN): 1, str(HALF): 1 / half, str(OTHER): 1 / other})
    assert f"{taken.precision} by {taken.runtime} is taken" in str(found)


def test_what_is_fast_and_not_exact_is_not_taken(clock: Clock) -> None:
    noisy = EXACT + np.array([0.0, 0.2]) * np.array([[1], [-1], [1], [-1]])
    ways = {PLAIN: clock.way(1, EXACT), HALF: clock.way(0.1, noisy)}
    found = rehearse(ways, [torch.zeros(1)] * 4, CPU)
    assert found.taken == PLAIN
    # two vectors of four are turned by atan(0.2 / 3)
    assert found.cosines[str(HALF)] == pytest.approx((2 + 2 * np.cos(np.arctan(0.2 / 3))) / 4)


def test_slow_models_are_timed_on_fewer_pictures(clock: Clock) -> None:
    rehearse({PLAIN: clock.way(1, EXACT), HALF: clock.way(0.5, EXACT)}, [torch.zeros(1)] * 4, CPU)
    assert clock.sizes == [4, 4, 2, 2, 2, 2], "after one round of all, two of as many as a second allows, two at least"
    clock.sizes.clear()
    threads = torch.get_num_threads()
    rehearse({PLAIN: clock.way(0.1, EXACT)}, [torch.zeros(1)] * 4, CPU)
    assert (clock.sizes, torch.get_num_threads()) == ([4, 4, 4], threads)


def test_few_pictures_and_tests_do_not_rehearse(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not may_rehearse(1000)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert [may_rehearse(count) for count in (63, 64)] == [False, True]


def test_what_was_found_is_remembered_for_one_model_and_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path))
    model, other = toy("vit_toy"), toy("vit_toy", seed=1)
    path = memory_of(model, CPU, ["auto", "auto"])
    assert remembered(path) is None
    remember(path, Rehearsed(HALF, {str(HALF): 2.0}, {str(HALF): 1.0}))
    assert remembered(memory_of(toy("vit_toy"), CPU, ["auto", "auto"])) == HALF
    assert remembered(memory_of(other, CPU, ["auto", "auto"])) is None
    assert remembered(memory_of(model, CPU, ["auto", "torch"])) is None
    monkeypatch.setattr(rehearsal, "processor", lambda device: "another")
    assert remembered(memory_of(model, CPU, ["auto", "auto"])) is None
    path.write_text("{}")
    assert remembered(path) is None, "damaged: as if there were none"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(OmlzooWarning, match="cannot be written .* each run rehearses anew; set OMLZOO_HOME"):
        remember(tmp_path / "file" / "a.json", Rehearsed(HALF, {}, {}))


def test_weights_in_no_file_are_told_apart_by_their_values() -> None:
    assert weights_digest(toy("vit_toy")).startswith("state:")
    assert weights_digest(toy("vit_toy")) == weights_digest(toy("vit_toy")) != weights_digest(toy("vit_toy", seed=1))

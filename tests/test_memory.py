"""A memory holds the newest, in any batch sizes, and survives a save."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.errors import BadInput
from omlzoo.memory import MemoryBank


def numbered(start: int, count: int) -> torch.Tensor:
    return torch.arange(start, start + count).float()[:, None].repeat(1, 2)


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_it_holds_the_last_ones_in_order_whatever_the_batches(batches: list[int], size: int) -> None:
    memory = MemoryBank(size, 2)
    seen = 0
    for count in batches:
        memory.add(numbered(seen, count), torch.arange(seen, seen + count) % 3)
        seen += count
    embeddings, labels = memory.references()
    wanted = list(range(max(0, seen - size), seen))
    assert embeddings[:, 0].tolist() == wanted
    assert labels.tolist() == [number % 3 for number in wanted]
    assert len(memory) == len(wanted)


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_of_a_label_only_the_newest_are_given(labels: list[int], per_label: int) -> None:
    memory = MemoryBank(12, 2, per_label=per_label)
    memory.add(numbered(0, len(labels)), torch.tensor(labels, dtype=torch.long))
    held = list(enumerate(labels))[-12:]
    wanted = [i for place, (i, label) in enumerate(held) if [x for _, x in held[place + 1 :]].count(label) < per_label]
    assert memory.references()[0][:, 0].tolist() == wanted


def test_it_is_saved_and_goes_on() -> None:
    memory = MemoryBank(5, 2)
    memory.add(numbered(0, 3), torch.tensor([1, 2, 3]))
    other = MemoryBank(5, 2)
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.add(numbered(3, 4), torch.tensor([4, 5, 6, 7]))
    assert torch.equal(memory.references()[0], other.references()[0])
    assert other.references()[1].tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(("rows", "labels", "message"), [
    ([[0.0, torch.nan]], [0], "NaN"), ([[0.0, 1e25]], [0], "a number of 1e"), ([[0.0, 1.0]], [0.5], "labels hold 0.5"), ([[0.0, 1.0]], [True], "labels are bool"),
])  # fmt: skip
def test_a_batch_that_is_refused_changes_nothing(rows: list[list[float]], labels: list[float], message: str) -> None:
    memory = MemoryBank(4, 2)
    memory.add(torch.ones(3, 2), torch.arange(3))
    before = {key: value.clone() for key, value in memory.state_dict().items()}
    with pytest.raises(BadInput, match=message):
        memory.add(torch.tensor(rows), torch.tensor(labels))
    assert all(torch.equal(before[key], value) for key, value in memory.state_dict().items())


def test_its_age_is_told() -> None:
    memory = MemoryBank(4, 2)
    assert memory.staleness != memory.staleness  # NaN
    for start in (0, 2, 4):
        memory.add(numbered(start, 2), torch.tensor([0, 1]))
    assert memory.staleness == 0.5  # two of this call, two of the one before


def test_it_keeps_no_graph_and_refuses_what_does_not_fit() -> None:
    memory = MemoryBank(4, 2)
    memory.add(numbered(0, 2).requires_grad_(), torch.tensor([0, 1]))
    assert not memory.references()[0].requires_grad
    with pytest.raises(BadInput, match="3 columns, the memory 2"):
        memory.add(torch.ones(2, 3), torch.zeros(2))
    with pytest.raises(BadInput, match="hold NaN"):
        memory.add(torch.full((2, 2), torch.nan), torch.zeros(2))
    with pytest.raises(BadInput, match="must be 1 or more"):
        MemoryBank(0, 2)
    assert len(memory) == 2

"""Whatever is done to a model's tensors is seen, and what leaves them alone is not taken for a change."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.models._extractor import Extractor
from omlzoo.models._traces import Traces


def step(model: Extractor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    model(torch.rand(2, 3, 32, 32)).sum().backward()
    optimizer.step()


def in_place(model: Extractor) -> None:
    with torch.no_grad():
        next(model.parameters()).add_(1)


def by_data(model: Extractor) -> None:
    next(model.parameters()).data.mul_(2)


def by_numpy(model: Extractor) -> None:
    next(model.parameters()).detach().numpy()[:] = 0


def by_shared_memory(model: Extractor) -> None:
    tensor = list(model.parameters())[-1]
    torch.frombuffer(tensor.detach().numpy().data, dtype=torch.float32).add_(3)


def replaced(model: Extractor) -> None:
    model.conv1.weight = torch.nn.Parameter(torch.zeros_like(model.conv1.weight))  # type: ignore[arg-type, assignment]


def another_module(model: Extractor) -> None:
    model.bn1 = torch.nn.BatchNorm2d(model.bn1.num_features)  # type: ignore[arg-type]
    torch.nn.init.normal_(model.bn1.weight)


def one_more(model: Extractor) -> None:
    model.register_buffer("more", torch.ones(1))


def forward_in_training_mode(model: Extractor) -> None:
    model.train()
    model(torch.rand(2, 3, 32, 32))
    model.eval()


def loaded(model: Extractor) -> None:
    model.load_state_dict(toy("resnet_toy", seed=5).state_dict())


def exchanged(model: Extractor) -> None:
    model.load_state_dict(toy("resnet_toy", seed=5).state_dict(), assign=True)


def rounded(model: Extractor) -> None:
    model.half().float()


CHANGES = [step, in_place, by_data, by_numpy, by_shared_memory, replaced, another_module, one_more,
           forward_in_training_mode, loaded, exchanged, rounded]  # fmt: skip


@pytest.fixture
def opened(tmp_path: Path) -> Extractor:
    """A model whose weights are in a file that its entry pins."""
    toy("resnet_toy").save(tmp_path / "m")
    return omlzoo.get_model(tmp_path / "m")


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_a_change_is_seen(change: Callable[[Extractor], None], opened: Extractor, tmp_path: Path) -> None:
    assert not opened.changed
    change(opened)
    assert opened.changed
    assert opened.changed, "it stays so"
    if change not in (one_more,):
        opened.save(tmp_path / "saved")
        entry = omlzoo.get_weights(tmp_path / "saved").entry
        assert entry.source.startswith("weights of one's own")


def nothing(model: Extractor) -> None:
    with torch.inference_mode():
        model(torch.rand(2, 3, 32, 32))


def moved(model: Extractor) -> None:
    model.double().to(memory_format=torch.channels_last)


def back_and_forth(model: Extractor) -> None:
    model.train()
    model.eval()
    model.requires_grad_(False)


def the_same_again(model: Extractor) -> None:
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()}, assign=True)


def exactly_undone(model: Extractor) -> None:
    with torch.no_grad():
        for factor in (2, 0.5):
            next(model.parameters()).mul_(factor)


SAME = [nothing, moved, back_and_forth, the_same_again, exactly_undone]


@pytest.mark.parametrize("use", SAME, ids=[use.__name__ for use in SAME])
def test_what_changes_no_number_is_no_change(use: Callable[[Extractor], None], opened: Extractor) -> None:
    use(opened)
    assert not opened.changed


def test_a_copy_is_compared_with_the_file(opened: Extractor, tmp_path: Path) -> None:
    for other in (copy.deepcopy(opened), pickle.loads(pickle.dumps(opened))):
        assert not other.changed
        by_data(other)
        assert other.changed
    assert not opened.changed
    other = copy.deepcopy(opened)
    (tmp_path / "m" / "model.safetensors").unlink()
    assert other.changed, "nobody can tell, so nothing is claimed"
    assert not opened.changed


def test_one_number_that_the_traces_miss_is_seen_before_it_is_saved(opened: Extractor, tmp_path: Path) -> None:
    flat = opened.layer4[0].conv2.weight.data.view(-1)  # type: ignore[index, union-attr, operator]
    flat[len(flat) // 8 // 2] += 1
    assert not opened.changed
    opened.save(tmp_path / "saved")
    assert omlzoo.get_weights(tmp_path / "saved").entry.source.startswith("weights of one's own")


def test_facts_that_are_set_anew_do_not_hide_a_change(opened: Extractor) -> None:
    by_data(opened)
    opened.weights = opened.weights
    assert opened.changed


def test_traces_are_of_every_tensor_and_need_no_count_of_changes() -> None:
    with torch.inference_mode():
        model = toy("resnet_toy")
        traces = Traces(model)
        assert len(traces.facts) == len(model.state_dict())
        assert traces.hold(model)
        model.fc = torch.nn.Linear(2, 2)
        assert not traces.hold(model)

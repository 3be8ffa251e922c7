"""A user's loss is called in float32, with a miner's indices where there is one, and held to what a step needs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.training.own_loss import OwnLoss

LABELS = torch.arange(4).repeat(3)


def rows() -> Tensor:
    return torch.randn(12, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize(("loss", "message"), [
    (lambda e, y: e.sum(dim=1), r"loss mine returned float32 of the shape \(12,\); it must return a scalar"),
    (lambda e, y: e.detach().sum(), "loss mine returned a number without a gradient"),
    (lambda e, y: 3.0, "loss mine returned float; it must return a scalar tensor"),
    (lambda e, y: (e > 0).sum(), "loss mine returned int64 of the shape"),
    (lambda e: e.sum(), "loss mine raised an error: TypeError: .*positional argument"),
    (lambda e, y: 1 / 0, "loss mine raised an error: ZeroDivisionError: division by zero"),
])  # fmt: skip
def test_what_is_no_scalar_with_a_gradient_is_refused_in_one_line(loss: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        OwnLoss(loss, name="mine")(rows(), LABELS)
    assert "\n" not in str(caught.value)


def test_half_precision_reaches_it_as_float32() -> None:
    seen: list[torch.dtype] = []

    def loss(embeddings: Tensor, labels: Tensor) -> Tensor:
        seen.extend([embeddings.dtype, (embeddings @ embeddings.T).dtype])
        return embeddings.sum().reshape(1)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = OwnLoss(loss)(rows().bfloat16(), LABELS)
    assert seen == [torch.float32, torch.float32]
    assert value.shape == ()


@pytest.mark.parametrize("tuple_of", [3, 4])
def test_a_miner_chooses_what_the_loss_gets(tuple_of: int) -> None:
    given: list[Any] = []

    def miner(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        assert not torch.is_grad_enabled()
        return (torch.arange(2),) * tuple_of

    def loss(embeddings: Tensor, labels: Tensor, indices: tuple[Tensor, ...]) -> Tensor:
        given.append(indices)
        return embeddings[indices[0]].sum()

    OwnLoss(loss, miner)(rows(), LABELS).backward()
    assert len(given[0]) == tuple_of


def test_plain_attributes_are_part_of_the_state() -> None:
    class Queue(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place, self.full, self.name = 0, False, "q"
            self.register_buffer("kept", torch.zeros(4))

        def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
            self.place, self.full = self.place + 1, True
            return embeddings.sum()

    first, second = OwnLoss(nn.ModuleList([Queue()])[0]), OwnLoss(Queue())
    first(rows(), LABELS)
    second.load_state_dict(first.state_dict())
    assert (second.loss.place, second.loss.full) == (1, True)
    assert second.stats == {}

    class Plain:
        calls = 0

        def __call__(self, embeddings: Tensor, labels: Tensor) -> Tensor:
            self.calls += 1
            return embeddings.sum()

    third, fourth = OwnLoss(Plain()), OwnLoss(Plain())
    third(rows(), LABELS)
    fourth.load_state_dict(third.state_dict())
    assert fourth.loss.calls == 1

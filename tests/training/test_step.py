"""Steps: chunks and accumulation equal the whole batch, averages and learning rates their closed forms."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import toy

from omlzoo.errors import BadInput
from omlzoo.losses import ProxyAnchorLoss, SupConLoss
from omlzoo.training.freezing import checkpoint_blocks
from omlzoo.training.lora import add_lora, merge_lora
from omlzoo.training.objective import Supervised
from omlzoo.training.optimizers import parameter_groups
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization

IMAGES = torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) // 3
ROWS = torch.arange(12)
PLAIN: dict[str, Any] = {"optimizer": "SGD", "lr": 0.1, "weight_decay": 0.0, "warmup": 0.0, "schedule": "constant"}


def work(model: nn.Module, loss: nn.Module, **settings: Any) -> Optimization:
    return Optimization(
        model.train(), Supervised(loss), Recipe(**PLAIN | settings), 10, settings.get("precision", "fp32")
    )


class Sum(nn.Module):
    """A loss that is a sum over pictures, so that batches add up."""

    def __init__(self, share: float = 7) -> None:
        super().__init__()
        self.share = share

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return embeddings.square().sum() / self.share


def test_a_step_whose_scaled_gradient_overflows_is_left_out_and_counted() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
    before = copy.deepcopy(model.state_dict())
    both = work(model, Sum(1e-5), precision="fp16")
    both.batch([IMAGES * 1e-3], LABELS, ROWS, str)
    assert (both.steps, both.overflows) == (1, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    both.batch([IMAGES * 0], LABELS, ROWS, str)
    again = work(nn.Sequential(nn.Flatten(), nn.Linear(3072, 4)), Sum(), precision="fp16")
    again.load_state_dict(both.state_dict())
    assert again.overflows == both.overflows


@pytest.mark.parametrize("settings", [{"chunk": 5}, {"recompute": True}])
def test_chunks_and_recomputing_give_the_gradient_of_the_whole_batch(settings: dict[str, Any]) -> None:
    found = []
    for changes in ({}, settings):
        model = toy("vit_toy")
        both = work(model, SupConLoss(), accumulate=2, **changes)  # no step yet: the gradients stay
        if "recompute" in changes:
            checkpoint_blocks(model.stages())
        both.batch([IMAGES], LABELS, ROWS, str)
        found.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    assert len(found[0]) == len(found[1]) > 20
    for ours, whole in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, whole, rtol=1e-4, atol=1e-6)


def test_both_passes_of_a_chunk_drop_the_same_blocks() -> None:
    """With dropout the second pass must see what the first saw: the gradient is that of the embeddings it was given."""
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3072, 4))
    seen: list[Tensor] = []
    model.register_forward_hook(lambda module, given, out: seen.append(out.detach().clone()))
    both = work(model, SupConLoss(), chunk=5, accumulate=2)
    both.batch([IMAGES], LABELS, ROWS, str)
    assert [len(each) for each in seen] == [5, 5, 2, 5, 5, 2]
    for first, second in zip(seen[:3], seen[3:], strict=True):
        torch.testing.assert_close(first, second)


def test_accumulated_batches_step_by_their_mean_gradient() -> None:
    start = toy("vit_toy")
    parts, whole = copy.deepcopy(start), copy.deepcopy(start)
    several = work(parts, Sum(), accumulate=3)
    for number in range(3):
        several.batch([IMAGES[4 * number : 4 * number + 4]], LABELS[:4], ROWS[:4], str)
    assert several.steps == 1
    one = work(whole, Sum(21))
    one.batch([IMAGES], LABELS, ROWS, str)
    for ours, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_last_batches_of_an_epoch_are_used() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
    several = work(model, Sum(), accumulate=5)
    before = model[1].weight.clone()
    several.batch([IMAGES], LABELS, ROWS, str)
    assert torch.equal(model[1].weight, before)
    several.step()
    assert not torch.equal(model[1].weight, before)
    assert (several.steps, several.waiting) == (1, 0)


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
    both = work(model, Sum(torch.nan))
    before = model[1].weight.clone()
    with pytest.raises(BadInput, match="the loss is nan at step 0, in the batch of a.png and b.png; lower lr"):
        both.batch([IMAGES], LABELS, ROWS, lambda: "a.png and b.png")
    assert torch.equal(model[1].weight, before)


def test_the_average_equals_the_loop() -> None:
    model = nn.Linear(1, 1, bias=False)
    both = work(model, Sum(), ema=0.6)
    average = None
    for step in range(6):
        both.batch([torch.ones(2, 1)], LABELS[:2], ROWS[:2], str)
        now = model.weight.item()
        keep = min(0.6, (1 + step) / (10 + step))
        average = now if average is None else keep * average + (1 - keep) * now
    assert both.measured.weight.item() == pytest.approx(average)
    assert both.measured is not model


def test_layers_have_their_share_of_the_learning_rate() -> None:
    model, loss = toy("vit_toy"), ProxyAnchorLoss(16, 4)
    groups = parameter_groups(model, loss, Recipe(layer_decay=0.5, loss_lr=100, weight_decay=0.1))
    of = {id(parameter): group for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len([*model.parameters(), *loss.parameters()])
    assert of[id(model.norm.weight)]["share"] == 1
    assert of[id(model.blocks[1].attn.qkv.weight)]["share"] == 0.5
    assert of[id(model.blocks[0].attn.qkv.weight)]["share"] == 0.25
    assert of[id(model.pos_embed)]["share"] == 0.125
    assert of[id(loss.proxies)]["share"] == 100
    assert of[id(model.norm.weight)]["weight_decay"] == of[id(model.cls_token)]["weight_decay"] == 0
    assert of[id(model.blocks[1].attn.qkv.weight)]["weight_decay"] == 0.1
    both = Optimization(
        model, Supervised(loss), Recipe(layer_decay=0.5, lr=0.1, warmup=0, schedule="constant"), 9, "fp32"
    )
    both.batch([IMAGES], LABELS, ROWS, str)
    assert sorted({group["lr"] for group in both.optimizer.param_groups}) == pytest.approx([0.0125, 0.025, 0.05, 0.1])


def test_half_precision_with_a_scaled_loss_learns() -> None:
    model = toy("vit_toy")
    both = work(model, SupConLoss(), precision="fp16", optimizer="Adam", lr=0.003)
    values = [both.batch([IMAGES], LABELS, ROWS, str) for _ in range(30)]
    assert both.scaler.is_enabled()
    assert values[-1] < 0.7 * values[0]


def test_low_rank_updates_alone_are_trained_and_merge_exactly() -> None:
    pytest.importorskip("peft", reason="peft is not installed")
    model = toy("vit_toy")
    names, before = list(model.state_dict()), model(IMAGES)
    add_lora(model, 2)
    torch.testing.assert_close(model(IMAGES), before)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    both = work(model, SupConLoss())
    for _ in range(3):
        both.batch([IMAGES], LABELS, ROWS, str)
    after = model.eval()(IMAGES).detach()
    assert not torch.allclose(after, before, atol=1e-3)
    merged = merge_lora(model)
    assert list(merged.state_dict()) == names
    torch.testing.assert_close(merged(IMAGES), after, rtol=1e-4, atol=1e-5)
    with pytest.raises(BadInput, match="lora is 2, but ResNet has no linear layers in its blocks"):
        add_lora(toy("resnet_toy"), 2)

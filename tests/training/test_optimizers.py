"""Optimizers equal their update written out for each number, whatever the layout of weights and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omlzoo.training.optimizers import make_optimizer, parameter_groups
from omlzoo.training.recipe import Recipe

STEPS = 4


def gradients(shape: tuple[int, ...]) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=random) for _ in range(STEPS)]


def by_hand(name: str, weight: float, grads: list[float], lr: float, decay: float) -> float:
    """The published updates of one number: AdamW (arXiv 1711.05101), Adam (1412.6980), SGD with Nesterov's momentum."""
    mean = square = 0.0
    for step, grad in enumerate(grads, 1):
        if name == "AdamW":
            weight -= lr * decay * weight
        else:
            grad += decay * weight
        if name == "SGD":
            mean = grad if step == 1 else 0.9 * mean + grad
            weight -= lr * (grad + 0.9 * mean)
            continue
        mean, square = 0.9 * mean + 0.1 * grad, 0.999 * square + 0.001 * grad * grad
        weight -= lr * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)) ** 0.5 + 1e-8)
    return weight


@pytest.mark.parametrize("name", ["AdamW", "Adam", "SGD"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_step_is_the_published_one_also_where_gradients_are_laid_out_otherwise(name: Any, layout: Any) -> None:
    model = nn.Conv2d(2, 3, 3, bias=False)
    start = model.weight.detach().clone()
    model = model.to(memory_format=torch.channels_last)
    recipe = Recipe(optimizer=name, lr=0.01, weight_decay=0.1)
    optimizer = make_optimizer(parameter_groups(model, nn.Module(), recipe), recipe)
    grads = gradients(tuple(start.shape))
    for grad in grads:
        model.weight.grad = grad.contiguous(memory_format=layout)
        optimizer.step()
    pulls = torch.stack(grads).flatten(1).T.tolist()
    expected = [by_hand(name, *each, 0.01, 0.1) for each in zip(start.flatten().tolist(), pulls, strict=True)]
    torch.testing.assert_close(model.weight.detach(), torch.tensor(expected).view_as(start), rtol=1e-5, atol=1e-7)
    assert model.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["AdamW", "Adam", "SGD"])
def test_a_parameter_may_get_its_first_gradient_later(name: Any) -> None:
    """As prototypes do, which are held at first; their first step is that of a new optimizer."""
    model = nn.ParameterList([nn.Parameter(torch.tensor([[1.0], [2.0]])) for _ in range(2)])
    recipe = Recipe(optimizer=name, lr=0.01, weight_decay=0.1)
    optimizer = make_optimizer(parameter_groups(model, nn.Module(), recipe), recipe)
    early, late = gradients((2, 1)), gradients((2, 1))[2:]
    for step, grad in enumerate(early):
        model[0].grad, model[1].grad = grad, None if step < 2 else late[step - 2]
        optimizer.step()
    for parameter, grads in ((model[0], early), (model[1], late)):
        pulls = torch.stack(grads).flatten(1).T.tolist()
        wanted = [by_hand(name, *each, 0.01, 0.1) for each in zip([1.0, 2.0], pulls, strict=True)]
        torch.testing.assert_close(parameter.detach().flatten(), torch.tensor(wanted), rtol=1e-5, atol=1e-7)


def test_kept_means_of_another_layout_are_laid_out_as_the_weights() -> None:
    """As after reading a state that a model of another layout had saved."""
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        first, then = (nn.Conv2d(2, 3, 3, bias=False) for _ in range(2))
        then.load_state_dict(first.state_dict())
        recipe = Recipe(lr=0.01)
        grads = gradients(tuple(first.weight.shape))
        before = make_optimizer(parameter_groups(first, nn.Module(), recipe), recipe)
        first.weight.grad = grads[0]
        before.step()
        then = then.to(memory_format=layout)
        after = make_optimizer(parameter_groups(then, nn.Module(), recipe), recipe)
        after.load_state_dict(before.state_dict())
        then.weight.grad = grads[1]
        after.step()
        found.append(then.weight.detach().contiguous())
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-8)

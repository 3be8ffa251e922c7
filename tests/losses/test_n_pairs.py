"""The N-pairs loss equals a loop over the paper's equation, and PML's where both take the same pairs."""

from types import ModuleType

import pytest
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses import NPairsLoss

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1, 2])


@pytest.fixture
def theirs() -> ModuleType:
    return pytest.importorskip("pytorch_metric_learning", reason="pytorch-metric-learning is not installed")


def rows(seed: int, size: int = 10, dim: int = 6) -> Tensor:
    return torch.randn(size, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [0.0, 0.02])
def test_pairs_of_the_paper_are_pmls(seed: int, weight: float, theirs: ModuleType) -> None:
    from pytorch_metric_learning.distances import DotProductSimilarity
    from pytorch_metric_learning.losses import NPairsLoss as Theirs
    from pytorch_metric_learning.regularizers import LpRegularizer

    labels = torch.arange(5)
    first, second, both = rows(seed, 5), rows(seed + 9, 5), torch.cat([rows(seed, 5), rows(seed + 9, 5)])
    both = both.detach().requires_grad_()
    plain = DotProductSimilarity(normalize_embeddings=False)
    peer = Theirs(distance=plain, embedding_regularizer=LpRegularizer(p=2, power=2), embedding_reg_weight=weight)
    wanted = peer(both, labels.repeat(2))
    wanted.backward()
    found = NPairsLoss()(first, labels, second, labels) + weight * torch.cat([first, second]).square().sum(1).mean()
    found.backward()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(torch.cat([first.grad, second.grad]), both.grad, rtol=1e-6, atol=1e-9)


def test_the_pairs_that_pml_would_take_can_be_chosen(theirs: ModuleType) -> None:
    from pytorch_metric_learning.distances import DotProductSimilarity
    from pytorch_metric_learning.losses import NPairsLoss as Theirs

    first, second = rows(1), rows(1)
    groups = [[i for i in range(10) if LABELS[i] == label][:2] for label in (0, 1, 2)]
    near = torch.tensor(groups).T
    far = torch.tensor([(a[0], b[1]) for a in groups for b in groups if a is not b]).T
    found = NPairsLoss()(first, LABELS, (near[0], near[1], far[0], far[1]))
    wanted = Theirs(distance=DotProductSimilarity(normalize_embeddings=False))(second, LABELS)
    found.backward(), wanted.backward()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(first.grad, second.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_equals_the_loop_over_all_its_positive_pairs(seed: int) -> None:
    embeddings = rows(seed)
    values = []
    for a in range(10):
        for p in range(10):
            if p != a and LABELS[p] == LABELS[a]:
                gaps = [embeddings[a] @ embeddings[n] - embeddings[a] @ embeddings[p]
                        for n in range(10) if LABELS[n] != LABELS[a]]  # fmt: skip
                values.append(torch.log1p(torch.stack(gaps).exp().sum()))
    wanted = torch.stack(values).mean() + 0.1 * embeddings.square().sum(dim=1).mean()
    (gradient,) = torch.autograd.grad(wanted, embeddings)
    loss = NPairsLoss(0.1)
    found = loss(embeddings, LABELS)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(torch.autograd.grad(found, embeddings)[0], gradient, rtol=1e-6, atol=1e-9)
    assert loss.stats["pairs"] == len(values)
    assert loss.stats["squared_norm"] == pytest.approx(embeddings.detach().square().sum(dim=1).mean().item())


def test_its_setting_is_checked() -> None:
    with pytest.raises(BadInput, match="regularization is -1; it must be 0 or more"):
        NPairsLoss(-1)

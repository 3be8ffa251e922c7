"""Objectives that look at patches equal Lightly's parts and the authors' equations in loops, in float64."""

import math
from typing import Any

import lightly.loss as theirs
import pytest
import torch
from lightly.loss.ibot_loss import IBOTPatchLoss
from lightly.loss.swav_loss import sinkhorn as their_sinkhorn
from lightly.models import utils
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.objectives import IBOT, MAE, DenseCL
from tests.objectives.toys_of_views import BATCH, DIM, WIDTH, made, pictures, small_body, views

IDS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 6])  # the last two are of one picture
K, S = 5, 4  # prototypes and patches of the small objectives


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)


def equal(ours: Tensor, wanted: Tensor, given: list[Tensor]) -> None:
    assert ours.item() == pytest.approx(wanted.item(), rel=1e-6)
    for one, two in zip(torch.autograd.grad(ours, given), torch.autograd.grad(wanted, given), strict=True):
        assert float((one - two).norm()) <= 1e-6 * float(two.norm())


def test_densecl_equals_the_authors_steps_in_a_loop() -> None:
    """For each place of the query: the teacher's place whose backbone vector is nearest, and a queue of means."""
    objective = made("DenseCL", weight=0.3, queue=BATCH + 2).double()
    assert isinstance(objective, DenseCL)
    for step in range(2):
        query, query_map, body = views(3, S * WIDTH, seed=step)
        key, key_map, key_body = [view.detach() for view in views(3, S * WIDTH, seed=step + 10)]
        whole, places = query[:, :DIM], query_map[:, : S * DIM].reshape(BATCH, S, DIM)
        queues = [queue.bank.references() for queue in (objective.queue_of_keys, objective.queue_of_places)]
        queues = [(rows.clone(), names.clone()) for rows, names in queues]

        def contrast(row: Tensor, own: Tensor, picture: int, queue: tuple[Tensor, Tensor]) -> Tensor:
            others = [unit(row) @ old / 0.2 for old, name in zip(*queue, strict=True) if name != IDS[picture]]
            positive = unit(row) @ unit(own) / 0.2
            return -(positive - torch.stack([positive, *others]).exp().sum().log())

        first = torch.stack([contrast(whole[i], key[i, :DIM], i, queues[0]) for i in range(BATCH)]).mean()
        dense = []
        for i in range(BATCH):
            answers = key_map[i, : S * DIM].reshape(S, DIM)
            seen, known = body[i].reshape(S, WIDTH), key_body[i].reshape(S, WIDTH)
            for place in range(S):
                near = max(range(S), key=lambda other: float((unit(seen[place]) @ unit(known[other])).detach()))
                dense.append(contrast(places[i, place], answers[near], i, queues[1]))
        wanted = 0.7 * first + 0.3 * torch.stack(dense).mean()
        student = torch.cat([whole, query_map[:, : S * DIM], body.detach()], dim=1)
        teacher = torch.cat([key[:, :DIM], key_map[:, : S * DIM], key_body], dim=1)
        equal(objective([None, student], [teacher], IDS), wanted, [query, query_map])
        means = unit(key_map[:, : S * DIM].reshape(BATCH, S, DIM).mean(dim=1))
        assert torch.allclose(objective.queue_of_places.bank.references()[0][-BATCH:], means)
        assert objective.queue_of_places.bank.references()[1][-BATCH:].equal(IDS)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_densecl_between_mocos_and_the_places(weight: float) -> None:
    objective, moco = made("DenseCL", weight=weight).double(), made("MoCo", queue=10).double()
    query, key = views(2, DIM + S * (DIM + WIDTH))
    value, wanted = objective([None, query], [key], IDS), moco([None, query[:, :DIM]], [key[:, :DIM]], IDS)
    gradient = torch.autograd.grad(value, query)[0]
    assert bool(gradient[:, :DIM].any()) == (weight == 0)
    assert bool(gradient[:, DIM:].any()) == (weight == 1)
    if not weight:
        assert value.item() == pytest.approx(wanted.item(), rel=1e-9)


def packed(whole: Tensor, cells: Tensor, mask: Tensor, beside: Tensor | None = None) -> Tensor:
    parts = [whole, *([] if beside is None else [beside]), cells.flatten(1), mask.to(whole.dtype)]
    return torch.cat(parts, dim=1)


def drawn(step: int) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor], Tensor]:
    """Of student and teacher the outputs of two global views, and of a small view; and the masks of the former."""
    whole, small = views(3, K, seed=step), views(3, S * K, seed=step + 20)
    cells = [view.reshape(BATCH, S, K) for view in small[:2]]
    taught = [view.detach() for view in views(2, K, seed=step + 40)]
    shown = [view.detach().reshape(BATCH, S, K) for view in views(2, S * K, seed=step + 60)]
    mask = torch.rand(2, BATCH, S, generator=torch.Generator().manual_seed(step)) < 0.4
    mask[0, 0] = False  # a picture without hidden patches
    return whole, cells, taught, shown, mask


def test_ibot_over_steps_equals_lightlys_losses_for_pictures_and_patches() -> None:
    """Lightly's centre of patches follows the hidden ones, as DINOv2's; ours all, as iBOT's, and is put in its place."""
    objective = made("IBOT", teacher_temperature=0.06, patch_temperature=0.07, warmup=10, weight=0.8).double()
    assert isinstance(objective, IBOT)
    pictures_loss = theirs.DINOLoss(output_dim=K, teacher_temp=0.06).double()
    patch_loss, centre = IBOTPatchLoss(output_dim=K).double(), torch.zeros(K, dtype=torch.float64)
    for step in range(3):
        objective.begin_step(step, 40)
        whole, cells, taught, shown, mask = drawn(step)
        student = [packed(whole[v], cells[v], mask[v]) for v in (0, 1)] + [whole[2]]
        teacher = [packed(taught[v], shown[v], mask[v] * 0) for v in (0, 1)]
        value = objective(student, teacher, IDS)
        temperature = 0.04 + (0.06 - 0.04) * step / 10
        wanted = pictures_loss(taught, whole, teacher_temp=temperature)
        patch_loss.center.center.copy_(centre[None])
        hidden = [torch.cat(each)[mask.flatten(0, 1)] for each in (shown, cells)]
        temperature = 0.04 + (0.07 - 0.04) * step / 10
        patches = patch_loss(*hidden, mask.flatten(0, 1).reshape(2 * BATCH, 2, 2), teacher_temp=temperature)
        equal(value, wanted + 0.8 * patches, [*whole, *cells])
        centre = 0.9 * centre + 0.1 * torch.cat(shown).flatten(0, 1).mean(dim=0)
        assert torch.allclose(objective.patch_centre, centre)
        assert torch.allclose(objective.centre, pictures_loss.center.flatten())
        assert objective.stats["hidden"] == pytest.approx(float(mask.double().mean()))


def test_ibot_with_sinkhorn_and_koleo_of_dinov2() -> None:
    objective = made("IBOT", centring="sinkhorn", koleo=0.1).double()
    whole, cells, taught, shown, mask = drawn(0)
    beside = views(2, WIDTH, seed=5)
    student = [packed(whole[v], cells[v], mask[v], beside[v]) for v in (0, 1)]
    teacher = [packed(taught[v], shown[v], mask[v] * 0, beside[v].detach()) for v in (0, 1)]
    ids = torch.arange(BATCH)
    targets = their_sinkhorn(torch.cat(taught), 3, 0.04).split(BATCH)
    values = [-(targets[t] * (whole[1 - t] / 0.1).log_softmax(dim=1)).sum(dim=1).mean() for t in (0, 1)]
    shares = iter(their_sinkhorn(torch.cat(shown)[mask.flatten(0, 1)], 3, 0.07))
    total = []
    for view in (0, 1):
        for i in range(BATCH):
            for s in range(S):
                if mask[view, i, s]:
                    each = -(next(shares) * (cells[view][i, s] / 0.1).log_softmax(dim=0)).sum()
                    total.append(each / mask[view, i].sum())
    spread = sum(theirs.KoLeoLoss()(view) for view in beside)
    wanted = torch.stack(values).mean() + torch.stack(total).sum() / (2 * BATCH) + 0.1 * spread
    equal(objective(student, teacher, ids), wanted, [*whole[:2], *cells, *beside])
    assert not objective.patch_centre.any()  # type: ignore[union-attr]


def test_ibot_without_hidden_patches_is_dino() -> None:
    objective, plain = made("IBOT").double(), made("DINO").double()
    whole, cells, taught, shown, mask = drawn(0)
    student = [packed(whole[v], cells[v], mask[v] * 0) for v in (0, 1)] + [whole[2]]
    teacher = [packed(taught[v], shown[v], mask[v] * 0) for v in (0, 1)]
    equal(objective(student, teacher, IDS), plain(whole, taught, IDS), whole)
    assert objective.flat == pytest.approx(math.log(K))


@pytest.mark.parametrize("settings", [{}, {"scaled": False}], ids=str)
def test_mae_equals_lightlys_parts(settings: dict[str, Any]) -> None:
    """Its patches, their normalisation and the mean squared error, over the decoder's own guesses."""
    objective = made("MAE", **settings).double()
    assert isinstance(objective, MAE)
    projector = objective.make_projector().double()
    images = pictures(views(1, WIDTH)[0].detach())
    body = small_body().double().requires_grad_(True)
    torch.manual_seed(4)
    value = objective([projector(body, images)], None, IDS)
    torch.manual_seed(4)
    order = torch.rand(BATCH, S).argsort(dim=1)
    tokens = body._begin(images)
    kept = torch.cat([tokens[:, :1], utils.get_at_index(tokens[:, 1:], order[:, :1])], dim=1)
    outputs = body._end(body.blocks(kept))
    guessed = projector.decoded(outputs, order, (2, 2))
    target = utils.get_at_index(utils.patchify(images, 2), order[:, 1:])
    if objective.scaled:
        target = utils.normalize_mean_var(target)
    wanted = nn.MSELoss()(utils.get_at_index(guessed, order[:, 1:]), target)
    equal(value, wanted, [projector.token, projector.begin.weight, body.cls_token, body.pos_embed])


def test_mae_says_how_much_better_than_the_mean_it_guesses() -> None:
    objective = made("MAE")
    wanted = torch.randn(BATCH, 3, 12)
    mean = wanted.mean(dim=2, keepdim=True)
    scaled = (wanted - mean) / wanted.var(dim=2, keepdim=True).sqrt()
    for guess, explained in ((torch.zeros_like(wanted), 0.0), (scaled, 1.0), (scaled / 2, 0.75)):
        objective([torch.cat([torch.zeros(BATCH, WIDTH), guess.flatten(1), wanted.flatten(1)], dim=1)], None, IDS)
        assert objective.stats["explained"] == pytest.approx(explained, abs=1e-4)


def test_rows_of_other_sizes_and_wrong_settings_are_refused() -> None:
    row, ids = torch.ones(2, 9), torch.arange(2)
    for name, message in (
        ("DenseCL", "DenseCL was given rows of 9 numbers; they are 6 and 13 for each place"),
        ("MAE", "MAE was given rows of 9 numbers; they are 7 and twice 12 for each patch"),
        ("IBOT", "IBOT was given rows of 9 numbers; those of a global view of 4 patches have 29"),
    ):
        with pytest.raises(BadInput, match=message):
            made(name)([row, row], [row, row][: made(name).teacher_views], ids)
    for kind, settings, message in (
        (DenseCL, {"weight": 1.5}, r"weight is 1.5; it must be in \[0, 1\]"),
        (MAE, {"share": 1.0}, "share 1.0 must be above 0 and below 1"),
        (MAE, {"hidden": 12, "heads": 5}, "hidden 12 a multiple of 4 and of heads 5"),
        (IBOT, {"share": (0.6, 0.5)}, "must rise within 0 and 1"),
        (IBOT, {"patch_width": 9}, "the embedding has 7 numbers and a patch 9; one head cannot take both"),
        (IBOT, {"prototypes": 1}, "prototypes 1 must be 2 or more"),
    ):
        with pytest.raises(BadInput, match=message):
            kind(WIDTH, **settings)
    with pytest.raises(BadInput, match="called with 0 view of the student; give one or more"):
        made("MAE")([], None, ids)


def test_a_flat_value_of_ibot_counts_the_pictures_with_hidden_patches() -> None:
    objective = made("IBOT")
    zeros, mask = torch.zeros(BATCH, K), torch.zeros(BATCH, S)
    mask[:2, 1] = 1
    row = packed(zeros, torch.zeros(BATCH, S, K), mask)
    assert objective([row, row], [row, row], IDS).item() == pytest.approx(math.log(K) * 1.25, rel=1e-6)
    assert objective.flat == pytest.approx(math.log(K) * 1.25, rel=1e-6)

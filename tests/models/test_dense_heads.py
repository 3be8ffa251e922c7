"""Heads over patches: what stands in their rows, and Lightly's decoder with the same weights."""

import pytest
import torch
from lightly.models.modules.masked_vision_transformer_decoder_timm import MaskedVisionTransformerDecoderTIMM
from lightly.models.utils import get_2d_sine_cosine_positional_embedding
from toys import toy

from omlzoo.models._dense_heads import MaskedPrototypes, OverPatches, PatchProjector, PixelDecoder, grid_positions
from omlzoo.objectives import IBOT
from omlzoo.training.objective import OverViews
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization
from omlzoo.training.teacher import Teacher
from omlzoo.training.training_model import TrainingModel

IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_positions_are_lightlys() -> None:
    wanted = torch.from_numpy(get_2d_sine_cosine_positional_embedding(16, 5, cls_token=False)).double()
    torch.testing.assert_close(grid_positions((5, 5), 16), wanted, rtol=0, atol=1e-5)  # theirs is computed in float32
    assert grid_positions((2, 3), 8).shape == (6, 8)


def test_the_decoder_is_lightlys_with_the_same_weights() -> None:
    torch.manual_seed(0)
    head = PixelDecoder(16, 12, 0.75, 32, 2, 4).double()
    their = MaskedVisionTransformerDecoderTIMM(num_patches=16, embed_dim=32, depth=2, num_heads=4).double()
    state = {name: value for name, value in head.state_dict().items() if name.startswith(("blocks", "norm"))}
    mask, positions = head.token[None, None], torch.cat([torch.zeros(1, 32), grid_positions((4, 4), 32)])[None]
    their.load_state_dict({**state, "mask_token": mask, "pos_embed": positions})
    order = torch.rand(6, 16).argsort(dim=1)
    outputs = {"tokens": torch.randn(6, 4, 16).double(), "class_token": torch.randn(6, 16).double()}
    full = torch.zeros(6, 17, 32, dtype=torch.float64)
    full[:, 0] = head.begin(outputs["class_token"])
    for i in range(6):
        for place, token in zip(order[i, :4].tolist(), outputs["tokens"][i], strict=True):
            full[i, 1 + place] = head.begin(token)
    wanted = head.end(their(full, idx_mask=1 + order[:, 4:]))[:, 1:]
    torch.testing.assert_close(head.decoded(outputs, order, (4, 4)), wanted, rtol=1e-9, atol=1e-9)


def test_the_row_of_a_pixel_decoder() -> None:
    body, head = toy("vit_toy"), PixelDecoder(16, 192, 0.75, 32, 1, 4)
    torch.manual_seed(1)
    row = head(body, IMAGES)
    assert row.shape == (6, 16 + 2 * 12 * 192)
    torch.manual_seed(1)
    order = torch.rand(6, 16).argsort(dim=1)
    for place, pixels in zip(order[2, 4:].tolist(), row[2, 16 + 12 * 192 :].view(12, 192), strict=True):
        top, left = 8 * (place // 4), 8 * (place % 4)
        patch = IMAGES[2, :, top : top + 8, left : left + 8]
        torch.testing.assert_close(pixels, patch.permute(1, 2, 0).flatten())


@pytest.mark.parametrize("arch", ["vit_toy", "resnet_toy"])
def test_the_row_of_a_patch_projector(arch: str) -> None:
    body = toy(arch)
    cells = body.features(IMAGES)
    places = cells["tokens"] if "tokens" in cells else cells["map"].flatten(2).transpose(1, 2)
    head = PatchProjector(body.dim, places.shape[2], None, 5)
    row = head(body, IMAGES)
    count = places.shape[1]
    torch.testing.assert_close(row[:, :5], head.whole(cells["embedding"]))
    torch.testing.assert_close(row[:, 5 : 5 + 5 * count].view(6, count, 5)[:, -1], head.cells(places[:, -1]))
    torch.testing.assert_close(row[:, 5 + 5 * count :].view(places.shape), places)
    model = TrainingModel(body, head)
    assert torch.equal(model(IMAGES), row)


@pytest.mark.parametrize("separate", [False, True])
def test_the_row_of_masked_prototypes(separate: bool) -> None:
    torch.manual_seed(0)
    body, head = toy("vit_toy"), MaskedPrototypes([16, 8, 8, 4], 16, 3, 16, 1.0, (0.2, 0.5), False, separate, True)
    assert isinstance(head, OverPatches)
    student, teacher = TrainingModel(body, head).train(), Teacher(TrainingModel(body, head), 0.9, 10)
    teacher.in_mode_of(student)
    plain, hidden = teacher(IMAGES), student(IMAGES)
    assert plain.shape == hidden.shape == (6, 3 + 16 + 16 * 3 + 16)
    assert not plain[:, -16:].any()
    assert set(hidden[:, -16:].unique().tolist()) == {0.0, 1.0}
    outputs = body.features(IMAGES)
    torch.testing.assert_close(plain[:, :3], head.whole(outputs["embedding"]))
    torch.testing.assert_close(plain[:, 3:19], outputs["embedding"])
    own = head.cells if separate else head.whole
    assert own is not None
    torch.testing.assert_close(plain[2, 19:67].view(16, 3), own(outputs["tokens"][2]))
    assert student(IMAGES[:, :, :16, :16]).shape == (6, 19), "a small view has no patches in its row"
    assert torch.equal(student.eval()(IMAGES), plain)


def test_chunks_hide_the_same_patches_both_times() -> None:
    """The gradient in chunks is that of the value whose masks were drawn in the first pass, chunk after chunk."""
    found = []
    for chunk in (2, 0):
        torch.manual_seed(0)
        objective = IBOT(16, patches=16, prototypes=6, hidden=8, bottleneck=4, masked=1.0)
        model = TrainingModel(toy("vit_toy"), objective.make_projector()).train()
        teacher = Teacher(model, 0.9, 10)
        teacher.in_mode_of(model)
        recipe = Recipe(optimizer="SGD", lr=0.1, weight_decay=0.0, warmup=0.0, chunk=chunk)
        work = Optimization(model, OverViews(objective), recipe, 10, "fp32", teacher)
        torch.manual_seed(5)
        if chunk:
            work.batch([IMAGES, IMAGES + 1], torch.arange(6), torch.arange(6), str)
        else:
            views = [torch.cat([model(part) for part in torch.split(view, 2)]) for view in (IMAGES, IMAGES + 1)]
            objective.begin_step(0, 10)
            objective(views, [teacher(view) for view in (IMAGES, IMAGES + 1)], torch.arange(6)).backward()
            for parameter in model.parameters():
                if parameter.grad is not None and parameter is not model.head.whole.prototypes:
                    parameter.data -= 0.1 * 1.9 * parameter.grad  # the first step of Nesterov's momentum
        found.append({name: value.detach().clone() for name, value in model.named_parameters()})
    assert objective.held(model.head), "prototypes are held at first"
    assert found[0]["head.token"].any()
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-4, atol=1e-6, msg=name)

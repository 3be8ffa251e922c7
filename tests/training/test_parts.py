"""Sampler, loss and head that a recipe names, and one clear line where they do not suit."""

from pathlib import Path

import pandas as pd
import pytest
from toys import toy

from omlzoo.data.table import Table
from omlzoo.errors import BadInput
from omlzoo.losses.cross_batch import CrossBatch
from omlzoo.losses.triplet import TripletLoss
from omlzoo.losses.weighted_sum import WeightedSum
from omlzoo.miners.triplets import SemiHardTriplets
from omlzoo.models._projected import Projected
from omlzoo.ops.poincare import PoincareHead
from omlzoo.training.parts import add_projection, make_head, make_loss, make_sampler
from omlzoo.training.recipe import Recipe


def rows(labels: list[str]) -> Table:
    return Table(pd.DataFrame({"path": [f"{i}.png" for i in range(len(labels))], "label": labels}), Path("."), "t")


def test_a_loss_gets_its_miner_memory_and_the_others_their_weights() -> None:
    loss = make_loss(Recipe(miner="SemiHardTriplets", loss_args={"margin": 0.5}), 4, 3)
    assert isinstance(loss, TripletLoss)
    assert isinstance(loss.miner, SemiHardTriplets)
    assert loss.margin == 0.5
    assert isinstance(make_loss(Recipe(memory=8), 4, 3), CrossBatch)
    assert isinstance(make_loss(Recipe(add_losses={"SupConLoss": 0.5}), 4, 3), WeightedSum)
    with pytest.raises(BadInput, match="loss_args has 'margn'; TripletLoss takes margin"):
        make_loss(Recipe(loss_args={"margn": 1}), 4, 3)


def test_a_sampler_that_cannot_draw_is_refused() -> None:
    assert len(next(iter(make_sampler(rows(["a", "a", "b", "b"]), Recipe(n_labels=2, n_instances=2))))) == 4
    with pytest.raises(BadInput, match="all 2 training rows have one label, 'a'"):
        make_sampler(rows(["a", "a"]), Recipe())
    with pytest.raises(BadInput, match="n_labels is 8, but only 2 labels are trained on"):
        make_sampler(rows(["a", "b"]), Recipe())
    with pytest.raises(BadInput, match="the table has no column category; use Balanced"):
        make_sampler(rows(["a", "b"]), Recipe(sampler="CategoryBalanced"))


def test_a_sampler_gets_its_further_arguments() -> None:
    four = rows(["a", "a", "b", "b"])
    arguments = {"negatives": 1, "relative_margin": 0.1, "absolute_margin": "none"}
    recipe = Recipe(sampler="HardNegatives", sampler_args=arguments, n_labels=2, n_instances=2)
    assert "negatives=1, range_min=0, range_max=30, relative_margin=0.1)" in repr(make_sampler(four, recipe))
    with pytest.raises(BadInput, match="sampler_args has 'margin'; HardNegatives takes negatives, range_min"):
        make_sampler(four, Recipe(sampler="HardNegatives", sampler_args={"margin": 1}, n_labels=2))
    with pytest.raises(BadInput, match="sampler_args has 'negatives'; Balanced takes none"):
        make_sampler(four, Recipe(sampler_args={"negatives": 1}, n_labels=2))
    with pytest.raises(BadInput, match="write those of an own one as module:Name"):
        make_sampler(four, Recipe(sampler="x:Y", sampler_args={"negatives": 1}, n_labels=2))


def test_heads_and_projections_are_made_where_asked_for() -> None:
    assert make_head(Recipe(), 8) is None
    assert isinstance(make_head(Recipe(loss="HyperbolicContrastive", poincare=4), 8), PoincareHead)
    with pytest.raises(BadInput, match="TripletLoss measures no distances in a ball"):
        make_head(Recipe(poincare=4), 8)
    model = add_projection(toy("resnet_toy"), 3, seed=0)
    assert isinstance(model, Projected)
    assert (model.dim, model.entry.dim, model.entry.arch) == (3, 3, "projected")
    with pytest.raises(BadInput, match="has a projection to 3 already"):
        add_projection(model, 2, seed=0)

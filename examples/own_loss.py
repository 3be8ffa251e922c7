# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A loss of one's own in finetune
#
# Anything called `loss(embeddings, labels)` that gives a scalar is a loss; it is recorded in the recipe by its name.

# %%
import os
from pathlib import Path

import torch

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)


# %%
class Spread(torch.nn.Module):
    """Pictures of a label near their mean, and means apart from each other."""

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        names, codes = labels.unique(return_inverse=True)
        means = torch.stack([embeddings[codes == code].mean(0) for code in range(len(names))])
        near = (embeddings - means[codes]).square().sum(1).mean()
        apart = torch.pdist(means)
        return near + (self.margin - apart).clamp(min=0).square().mean()


# %%
epochs = 1 if SMALL else 5
run = omlzoo.finetune("resnet_small_omniglot", table, out="runs/own_loss", loss=Spread(), epochs=epochs)
print(run.report)
print(run.history[["epoch", "loss"]])

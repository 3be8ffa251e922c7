# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A training loop of one's own
#
# Batches come from the table, the loss, miner and sampler stand alone, and the loop is plain torch.

# %%
import os
from pathlib import Path

import torch

import omlzoo
from omlzoo.data.synthetic import write_alphabets
from omlzoo.losses import TripletLoss
from omlzoo.miners import AllTriplets
from omlzoo.samplers import Balanced

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
model = omlzoo.resnet_small_omniglot()
before = omlzoo.evaluate(model, table, thorough=False)

# %% [markdown]
# `omlzoo.batches` gives normalised floats on the model's device, another epoch in each pass.

# %%
loss = TripletLoss(margin=0.2, miner=AllTriplets())
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
batches = omlzoo.batches(model, table, lambda labels: Balanced(labels, n_labels=4, n_instances=4))
model.train()
for _ in range(1 if SMALL else 5):
    for images, labels in batches:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()
model.eval()

# %%
after = omlzoo.evaluate(model, table, thorough=False)
print("before", before.metrics["cmc@1"], "after", after.metrics["cmc@1"])
print("of the last batch:", loss.stats)

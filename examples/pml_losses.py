# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # PyTorch Metric Learning in ours, ours in it
#
# Losses and miners of both take each other's place.

# %%
import os
from pathlib import Path

import torch
from pytorch_metric_learning import losses, miners

import omlzoo
from omlzoo.data.synthetic import write_alphabets
from omlzoo.losses import MultiSimilarityLoss, SupConLoss
from omlzoo.miners import MultiSimilarityPairs

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %% [markdown]
# Theirs in our `finetune`: the miner is called with the batch, its tuple goes to the loss.

# %%
run = omlzoo.finetune(
    "resnet_small_omniglot",
    table,
    out="runs/pml",
    loss=losses.TripletMarginLoss(margin=0.1),
    miner=miners.MultiSimilarityMiner(),
    epochs=1 if SMALL else 3,
)
print(run.report)

# %% [markdown]
# Ours in their memory and behind their miner, and theirs behind ours.

# %%
embeddings = torch.randn(16, 8, requires_grad=True)
labels = torch.arange(16) % 4
memory = losses.CrossBatchMemory(SupConLoss(0.1), embedding_size=8, memory_size=64)
print("their memory, our loss:", float(memory(embeddings, labels)))
pairs = miners.MultiSimilarityMiner()(embeddings, labels)
print("their miner, our loss:", float(MultiSimilarityLoss()(embeddings, labels, pairs)))
print(
    "our miner, their loss:",
    float(losses.MultiSimilarityLoss()(embeddings, labels, MultiSimilarityPairs()(embeddings, labels))),
)

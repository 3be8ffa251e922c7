# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Learn without labels, then with a few
#
# The pictures alone first, then a part of the labels.

# %%
import os
from pathlib import Path

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 5} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
epochs, side = (1, 32) if SMALL else (5, 0)
run = omlzoo.pretrain(
    "resnet_small_omniglot",
    table,
    out="runs/pretrained",
    objective="SimCLR",
    epochs=epochs,
    n_labels=16,
    image_size=side,
)
print(run.history[["epoch", "loss"]])

# %%
for name, start in (("from the checkpoint", "resnet_small_omniglot"), ("pre-trained first", "runs/pretrained")):
    tuned = omlzoo.finetune(
        start, table, out=f"runs/{name.replace(' ', '_')}", labels=0.5, epochs=epochs, image_size=side
    )
    print(name, tuned.report.metrics["cmc@1"])

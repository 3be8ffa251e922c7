# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Labels by the nearest neighbours
#
# A few labelled pictures name all the others; where the votes are split a person should look.

# %%
import os
from pathlib import Path

import pandas as pd

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
embeddings = omlzoo.embed(omlzoo.resnet_small_omniglot(), table)
labelled = embeddings.table.groupby("label").cumcount() < 2  # two pictures of each label
index = omlzoo.build_index(embeddings.rows(labelled.to_numpy()))

# %%
chances = index.classify(embeddings.rows(~labelled.to_numpy()), k=5)
truth = embeddings.table["label"][~labelled].reset_index(drop=True)
best = pd.DataFrame(
    {"label": chances.idxmax(axis=1), "chance": chances.max(axis=1), "right": chances.idxmax(axis=1) == truth}
)
print(f"{best['right'].mean():.3f} of {len(best)} pictures get their label")

# %% [markdown]
# The ones to look at, the least certain first.

# %%
print(best.sort_values("chance").head(5))

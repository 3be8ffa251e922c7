# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # An open set: what the gallery does not have
#
# Half of the labels are taken out of the gallery; a good threshold answers "unknown" for them.

# %%
import os
from pathlib import Path

import numpy as np

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
omlzoo.resnet_small_omniglot().save("runs/open_set", overwrite=True)
omlzoo.calibrate("runs/open_set", table, far=(0.1,), unknown=(0.1, 0.3))
embeddings = omlzoo.embed("runs/open_set", table)

# %%
labels = embeddings.table["label"].to_numpy()
names = np.unique(labels)
known = np.isin(labels, names[::2])  # every second label is in the gallery
first = ~np.array([name in labels[:row] for row, name in enumerate(labels)])  # one picture of each label asks
index = omlzoo.build_index(embeddings.rows(known & ~first))

# %%
for threshold in ("unknown=0.1", "unknown=0.3", "ratio"):
    answered = index.search(embeddings.rows(first), k=1, threshold=threshold).is_known
    inside = known[first]
    shares = answered[inside].mean(), answered[~inside].mean()
    print(f"{threshold}: {shares[0]:.2f} of known and {shares[1]:.2f} of unknown queries are answered")

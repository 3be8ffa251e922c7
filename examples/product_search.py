# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Product search with a threshold
#
# An index that says which hits are the same product, and searches one category.

# %%
import os
from pathlib import Path

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %% [markdown]
# Thresholds are measured on validation rows and kept in the folder of the model.

# %%
omlzoo.resnet_small_omniglot().save("runs/products", overwrite=True)
found = omlzoo.calibrate("runs/products", table, far=(0.1,))
print({point.name: round(point.value, 3) for point in found.cut_points if point.statistic == "distance"})

# %%
embeddings = omlzoo.embed("runs/products", table)
index = omlzoo.build_index(embeddings)
query = "drawings/images/alphabet0/character00/00.png"
hits = index.search([query], k=5, threshold="far=0.1", where={"category": "alphabet0"}, exclude_self=True)
print(hits)
print("known:", hits.is_known, "chances:", hits.probabilities.round(2))
hits.html("hits.html")

# %% [markdown]
# The index and its page: `omlzoo serve products.index`.

# %%
index.save("products.index", overwrite=True)
print(omlzoo.open_index("products.index"))

# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Re-identification with cameras
#
# A picture of the same person by the same camera is too easy to find.
# The column `sequence` takes such pictures out of the gallery of a query.

# %%
import os
from pathlib import Path

import pandas as pd

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %% [markdown]
# Here a character is a person, and two drawers are one camera.

# %%
rows = pd.read_csv(table)
drawer = rows["path"].str.extract(r"(\d+)\.png")[0].astype(int)
rows["sequence"] = rows["label"] + " by camera " + (drawer // 2).astype(str)
rows.to_csv("drawings/cameras.csv", index=False)

# %%
model = omlzoo.resnet_small_omniglot()
for name, source in (("all pictures", table), ("other cameras only", "drawings/cameras.csv")):
    metrics = omlzoo.evaluate(model, source).metrics
    print(f"{name}: rank-1 {metrics['cmc@1']:.3f}, mAP {metrics['ap']:.3f}, mINP {metrics['inp']:.3f}")

# %% [markdown]
# Re-ranking by k-reciprocal neighbours, over the same vectors.

# %%
from omlzoo.rerank import k_reciprocal  # noqa: E402

embeddings = omlzoo.embed(model, table)
vectors = embeddings.vectors
distances, ids = k_reciprocal(vectors[:5], vectors, k=3, neighbours=6, averaged=2, own=pd.RangeIndex(5).to_numpy())
print(embeddings.table["label"].to_numpy()[ids])

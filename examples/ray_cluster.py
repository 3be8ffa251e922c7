# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Embedding on a cluster of Ray
#
# Workers on all machines of a cluster that see the same folder; here a cluster of this machine alone.

# %%
import os
from pathlib import Path

import omlzoo
from omlzoo.data.synthetic import write_alphabets
from omlzoo.embedding.ray_cluster import embed_on_ray

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
shards = embed_on_ray("resnet_small_omniglot", table, "vectors", cpus=1, rows=50)
print(len(shards), "rows in", len(shards.files()), "files")

# %% [markdown]
# A second call computes only what is new.

# %%
shards = embed_on_ray("resnet_small_omniglot", table, "vectors", cpus=1, rows=50)
print(omlzoo.build_index(omlzoo.load_embeddings("vectors")))

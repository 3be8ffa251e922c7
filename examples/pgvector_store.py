# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Vectors in Postgres
#
# A table of the database that is there already. `OMLZOO_PGVECTOR_URI` is its address, such as postgresql://user@host/db.

# %%
import os
from pathlib import Path

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
uri = os.environ.get("OMLZOO_PGVECTOR_URI")
if uri is None:
    raise SystemExit("set OMLZOO_PGVECTOR_URI to a Postgres with pgvector")
embeddings = omlzoo.embed(omlzoo.resnet_small_omniglot(), table)
index = omlzoo.build_index(embeddings, backend="pgvector", uri=uri, collection="drawings", overwrite=True)
print(index, "recall", index.recall)

# %% [markdown]
# Filters are decided by the index, hits have exact scores, and pictures can be added later.

# %%
query = "drawings/images/alphabet0/character00/00.png"
print(index.search([query], k=3, where={"category": "alphabet0"}))
index.save("postgres.index", overwrite=True)
print(omlzoo.open_index("postgres.index", uri=uri))

# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Search by words
#
# A model with a text tower finds pictures by a sentence.
# The weights come from the Hub once; `OMLZOO_TEXT_MODEL` names another model.

# %%
import os
from pathlib import Path

import omlzoo
from omlzoo.data.synthetic import write_alphabets

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
name = os.environ.get("OMLZOO_TEXT_MODEL", "tinyclip_vitxs16_224")
model = omlzoo.get_model(name)
index = omlzoo.build_index(omlzoo.embed(model, table))

# %%
hits = index.search(["a red shoe", "a blue hat"], k=3, text=True)
print(hits)

# %% [markdown]
# The vectors of the words themselves, for anything else.

# %%
texts = omlzoo.get_text_model(name)
print(texts(["red shoe", "blue hat"]).shape)

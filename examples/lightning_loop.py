# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Lightning
#
# The module and the callback work with the package `lightning` and with `pytorch_lightning`, whichever the program
# has imported.

# %%
import os
from pathlib import Path

try:
    from lightning.pytorch import Trainer
except ImportError:
    from pytorch_lightning import Trainer

import omlzoo
from omlzoo.data.synthetic import write_alphabets
from omlzoo.losses import SupConLoss
from omlzoo.samplers import Balanced
from omlzoo.training.lightning import MetricLearning, Retrieval, training_batches

SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"  # the tests run it so, in seconds
counts = {"alphabets": 3, "characters": 6} if SMALL else {"alphabets": 6, "characters": 12}
table = write_alphabets(Path("drawings"), drawers=4, size=64, **counts)

# %%
model = omlzoo.resnet_small_omniglot()
batches = training_batches(model, table, lambda labels: Balanced(labels, n_labels=4, n_instances=4))
trainer = Trainer(
    max_epochs=1 if SMALL else 3,
    accelerator="cpu",
    callbacks=[Retrieval(table)],
    use_distributed_sampler=False,  # the sampler shares its batches by itself
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
)
trainer.fit(MetricLearning(model, SupConLoss()), batches)
print({name: round(float(value), 4) for name, value in trainer.callback_metrics.items()})

# %% [markdown]
# The model is an extractor as before: it can be saved, searched with and measured.

# %%
model.eval().save("runs/lightning", overwrite=True)
print(omlzoo.evaluate("runs/lightning", table))

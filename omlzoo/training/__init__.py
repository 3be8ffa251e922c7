"""Fine-tuning and pre-training: recipe, loop, and the run folder that comes out."""

from omlzoo.catalog import lazy

OFFERS = {
    "Recipe": "omlzoo.training.recipe",
    "Run": "omlzoo.training.run_folder",
    "finetune": "omlzoo.training.finetuning",
    "pretrain": "omlzoo.training.pretraining",
}

__getattr__, __dir__ = lazy(__name__, OFFERS)

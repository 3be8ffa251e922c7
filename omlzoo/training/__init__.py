"""Fine-tuning, pre-training and distillation: recipe, loop, and the run folder that comes out."""

from omlzoo.catalog import lazy

OFFERS = {
    "EarlyStopping": "omlzoo.training.callbacks",
    "Recipe": "omlzoo.training.recipe",
    "Run": "omlzoo.training.run_folder",
    "distil": "omlzoo.training.distillation",
    "batches": "omlzoo.training.loading",
    "finetune": "omlzoo.training.finetuning",
    "lr_range_test": "omlzoo.training.rate_range",
    "pretrain": "omlzoo.training.pretraining",
}

__getattr__, __dir__ = lazy(__name__, OFFERS)

"""Fine-tuning: recipe, loop, and the run folder that comes out."""

from omlzoo.training.finetuning import Run, finetune
from omlzoo.training.recipe import Recipe

__all__ = ["Recipe", "Run", "finetune"]

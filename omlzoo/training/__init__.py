"""Fine-tuning: recipe, loop, and the run folder that comes out."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

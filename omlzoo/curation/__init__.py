"""What to label next, what to throw out, what is there: choices over embeddings, without labels."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

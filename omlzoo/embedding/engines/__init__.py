"""What computes a model's embeddings: torch, or the same model in another engine."""

from omlzoo.catalog import exports

SHARED = {"Engine": "omlzoo.embedding.engines._engine"}

__getattr__, __dir__ = exports(__name__, SHARED)

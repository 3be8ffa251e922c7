"""Metrics: plain functions over arrays or tensors, such as ``retrieval(embeddings, labels)``."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

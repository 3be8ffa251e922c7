"""Losses: modules called as ``loss(embeddings, labels)`` that return a scalar."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

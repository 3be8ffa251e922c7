"""Losses: modules called as ``loss(embeddings, labels)`` that return a scalar."""

from omlzoo.catalog import exports

SHARED = {"Loss": "omlzoo.losses._loss"}

__getattr__, __dir__ = exports(__name__, SHARED)

"""Embeddings that answer queries with their nearest rows."""

from omlzoo.catalog import lazy

__getattr__, __dir__ = lazy(__name__, {"fuse": "omlzoo.index.fusion"})

"""Curation of data by embeddings, without labels: what to label next, what to remove, and what there is."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

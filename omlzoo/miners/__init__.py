"""Miners: ``miner(embeddings, labels)`` returns indices of anchors, positives and negatives."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

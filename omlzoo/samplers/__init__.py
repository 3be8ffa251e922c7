"""Batch samplers over a sequence of labels: each batch is a list of row numbers."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

"""Architectures: functions that build an extractor with random weights, such as ``vits16()``."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

"""Architectures: functions that build an extractor with random weights, such as ``vits16()``."""

from omlzoo.catalog import exports

SHARED = {"Extractor": "omlzoo.models._extractor"}

__getattr__, __dir__ = exports(__name__, SHARED)

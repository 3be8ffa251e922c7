"""Index backends: functions that take vectors and give something with ``search``."""

from omlzoo.catalog import exports

SHARED = {"Backend": "omlzoo.index.backends._backend"}

__getattr__, __dir__ = exports(__name__, SHARED)

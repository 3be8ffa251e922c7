"""Index backends: functions that take vectors and give something with ``search``."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

"""Self-contained HTML pages: no file beside them, no request to anywhere."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

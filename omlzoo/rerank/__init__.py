"""After the search: other orders, longer queries, fewer hits."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

"""Methods that improve search results: re-ranking of hits, query expansion, and removal of distant hits."""

from omlzoo.catalog import exports

__getattr__, __dir__ = exports(__name__)

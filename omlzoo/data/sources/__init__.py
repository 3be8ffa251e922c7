"""What pictures come from beside files and folders: files that hold many, arrays, and datasets of other packages."""

from omlzoo.catalog import exports

SHARED = {"Container": "omlzoo.data.sources._container"}

__getattr__, __dir__ = exports(__name__, SHARED)

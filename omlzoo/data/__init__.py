"""Tables, pictures and their preprocessing into the input of a model."""

from omlzoo.catalog import lazy

OFFERS = {"ImageTable": "omlzoo.data.dataset"}

__getattr__, __dir__ = lazy(__name__, OFFERS)

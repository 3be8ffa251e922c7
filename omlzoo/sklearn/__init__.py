"""Embeddings as a step of scikit-learn's pipelines."""

from omlzoo.catalog import lazy

OFFERS = {"Embedder": "omlzoo.sklearn.embedder"}

__getattr__, __dir__ = lazy(__name__, OFFERS)

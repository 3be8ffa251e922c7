"""A transformer of scikit-learn: pictures in, vectors out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omlzoo import catalog
from omlzoo.embedding.extraction import embed
from omlzoo.embedding.options import Precision, Runtime
from omlzoo.errors import BadInput
from omlzoo.zoo.registry import open_model

__all__ = ["Embedder"]

base: Any = catalog.optional("sklearn.base", "sklearn")


class Embedder(base.ClassNamePrefixFeaturesOutMixin, base.TransformerMixin, base.BaseEstimator):  # type: ignore[misc]
    """Vectors of pictures as a step of a pipeline: ``make_pipeline(Embedder("vits16_dino"), LogisticRegression())``.

    There is nothing to learn: ``fit`` opens the model, and so does ``transform`` where it was not fitted. A picture
    that cannot be read has a row of NaN, which is said. A search over later steps embeds the pictures anew for each
    fold unless the pipeline has a ``memory``.

    Args:
        model: A name, folder or address that ``omlzoo.get_model`` opens, or an extractor.
        root: Where relative paths start; the working folder by default, or the folder of a table.
        batch_size: Pictures that go through the model at once.
        precision: As in ``omlzoo.embed``, like the arguments below. "fp32" gives the same vectors on every machine.
        workers: Threads; as many as there are cores by default.
        device: "cpu", "cuda" or "auto".
        runtime: "torch", "onnx", "openvino" or "auto".
    """

    def __init__(
        self,
        model: Any,
        *,
        root: str | Path | None = None,
        batch_size: int = 32,
        precision: Precision = "auto",
        workers: int | None = None,
        device: str = "auto",
        runtime: Runtime = "torch",
    ) -> None:
        self.model, self.root, self.batch_size = model, root, batch_size
        self.precision, self.workers, self.device, self.runtime = precision, workers, device, runtime

    def fit(self, X: Any, y: Any = None) -> "Embedder":  # noqa: N803
        """Open the model; neither the pictures nor ``y`` are looked at.

        Args:
            X: The pictures, as in :meth:`transform`.
            y: Nothing, or anything.

        Raises:
            UnknownName: There is no such model.
        """
        self._opened = open_model(self.model)
        self._n_features_out = self._opened.dim
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Vectors (N, dim) float32 of pictures, in their order; NaN where one cannot be read.

        Args:
            X: What ``omlzoo.embed`` takes, or a column of paths or pictures: an array (N,) or (N, 1), a Series, or a
                DataFrame of one column, as scikit-learn's ``ColumnTransformer`` hands them on.

        Raises:
            BadInput: There is no picture, or something is none.
        """
        if not hasattr(self, "_opened"):
            self.fit(X)
        return embed(
            self._opened, _pictures(X), root=self.root, batch_size=self.batch_size, precision=self.precision,
            workers=self.workers, device=self.device, runtime=self.runtime, progress=False,
        ).vectors  # fmt: skip

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit, tags.no_validation = False, True
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = False, True, True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and sent to other processes: the settings, and not the model that they open again."""
        state: dict[str, Any] = {**super().__getstate__()}
        state.pop("_opened", None)
        return state


def _pictures(given: Any) -> Any:
    """A column as a list of what is in it; anything else as it is.

    Raises:
        BadInput: It is a column of numbers.
    """
    if isinstance(given, pd.DataFrame) and given.shape[1] == 1:
        given = given.iloc[:, 0]
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if not (isinstance(given, pd.Series) or (isinstance(given, np.ndarray) and given.ndim == 1)):
        return given
    items = given.tolist()
    if items and isinstance(items[0], bool | int | float):
        raise BadInput(f"the column has {items[0]!r}; an Embedder takes paths or pictures, so name that column")
    return items

"""whiten(): a projection, learned without labels, after which no direction of the vectors is longer than another."""

import numpy as np
import torch

from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.models._linear_map import Projection

__all__ = ["whiten"]

SMALLEST = 1e-6  # of the largest variance; directions below it are noise of the computation


def whiten(embeddings: Embeddings, dim: int = 256) -> Projection:
    """PCA whitening (Jegou and Chum 2012, "Negative evidences and co-occurences in image retrieval").

    Vectors are centred, turned to their principal components, cut to the first ``dim`` and divided by the standard
    deviation of each. Learn it on pictures that are not measured, such as the train rows of a table; labels are not
    needed.
    ``model.with_projection`` puts it behind a model.

    Args:
        embeddings: N vectors (N, D), of a model as it is to be used. Rows with an error are left out.
        dim: Dimension afterwards, at most D and at most N - 1.

    Returns:
        A projection from D to ``dim`` numbers.

    Raises:
        BadInput: ``dim`` is not from 1 to D, or the vectors vary in fewer directions.
    """
    vectors = embeddings.vectors[embeddings.good].astype(np.float64)
    count, width = vectors.shape
    if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= width:
        raise BadInput(f"dim is {dim!r}; it must be an integer from 1 to {width}, the dimension of the vectors")
    mean = vectors.mean(axis=0)
    variances, directions = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / max(1, count - 1))
    variances, directions = variances[::-1], directions[:, ::-1]
    known = int((variances > SMALLEST * variances[0]).sum()) if variances[0] > 0 else 0
    if dim > known:
        raise BadInput(
            f"dim is {dim}, but {count} vectors vary in {known} directions only; take fewer, or more pictures"
        )
    weight = directions[:, :dim].T / np.sqrt(variances[:dim, None])
    signs = np.sign(weight[np.arange(dim), np.abs(weight).argmax(axis=1)])  # eigenvectors have no sign of their own
    weight = weight * signs[:, None]
    return Projection(
        torch.tensor(weight, dtype=torch.float32), torch.tensor(-weight @ mean, dtype=torch.float32),
        unit=embeddings.record.normalized,
    )  # fmt: skip

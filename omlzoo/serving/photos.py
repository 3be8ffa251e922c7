"""A folder of photos, embedded and indexed when it is to be served; a second time only what is new is computed."""

import hashlib
from dataclasses import replace
from pathlib import Path

from omlzoo.checkpoints import cache
from omlzoo.embedding.extraction import embed_shards
from omlzoo.embedding.shards import load_embeddings
from omlzoo.errors import BadInput
from omlzoo.index.build import build_index
from omlzoo.index.index import Index
from omlzoo.zoo.local_models import best_here
from omlzoo.zoo.registry import get_model
from omlzoo.zoo.trusting import Trust

__all__ = ["open_photos"]


def open_photos(folder: str | Path, model: str | None = None, *, trust: Trust = None) -> Index:
    """An exact index over the pictures of a folder and its sub-folders.

    The vectors are kept in omlzoo's own cache folder, not among the photos.

    Args:
        folder: The folder.
        model: What ``omlzoo.get_model`` opens; by default the best model whose weights are on this machine.
        trust: As in ``omlzoo.get_model``.

    Raises:
        BadInput: There is no such folder, or no picture in it can be read.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; give an index, or a folder of pictures")
    extractor = get_model(model or best_here(), trust=trust)
    digest = hashlib.sha256(f"{folder}\n{extractor.entry.name}\n{extractor.entry.sha256}".encode()).hexdigest()[:16]
    kept = cache.home() / "served" / f"{folder.name}-{extractor.entry.name}-{digest}"
    embed_shards(extractor, folder, kept, prune=True)
    embeddings = replace(load_embeddings(kept), model=extractor)  # or the first search would build it again
    if not embeddings.good.any():
        raise BadInput(f"{folder}: none of its {len(embeddings)} pictures can be read; see omlzoo embed")
    return build_index(embeddings.rows(embeddings.good))

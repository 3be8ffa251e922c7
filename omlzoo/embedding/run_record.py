"""The record of the vectors that a pipeline makes."""

import json
from dataclasses import asdict
from pathlib import Path

from omlzoo.data.images import DECODER
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.embedding.record import Record
from omlzoo.embedding.rehearsal import weights_digest
from omlzoo.models._extractor import Extractor

__all__ = ["record_of"]


def record_of(model: Extractor, root: Path, run: Pipeline) -> Record:
    """The record of the vectors that a pipeline makes.

    Args:
        model: The extractor, which has the address of its weights and its entry.
        root: The folder that the table's relative paths start from.
        run: The pipeline of the model, which has the precision and the way of decoding.
    """
    facts = model.facts
    return Record(
        model=facts.address,
        sha256=weights_digest(model),
        dim=model.dim,
        preprocess=json.loads(json.dumps(asdict(facts.entry.preprocess))),
        normalized=model.normalize,
        precision=run.precision,
        root=str(root.resolve()),
        decoding="scaled" if run.options.fast else "exact",
        icc=run.options.icc,
        calibrated=getattr(run.engine, "calibrated", None),
        decoder=DECODER,
    )

"""An index of another model over the same pictures, made while the old one serves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from omlzoo import catalog
from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.addresses import Named, as_named
from omlzoo.data.table import Table
from omlzoo.embedding.columns import error_column
from omlzoo.embedding.embeddings import ERROR, Embeddings, Record
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.replacement import PARTS
from omlzoo.embedding.shards import Shards
from omlzoo.errors import BadInput, notice
from omlzoo.files import check_free
from omlzoo.index.addresses import ADDRESSES, absolute, named_options
from omlzoo.index.backends._store import StoredRows
from omlzoo.index.build import build_index
from omlzoo.index.index import Index
from omlzoo.index.rows import REMOVED
from omlzoo.index.searcher import made_searcher
from omlzoo.index.storage import OWNED, Facts, generation_of, is_index, read_index
from omlzoo.zoo.registry import open_model

if TYPE_CHECKING:
    from omlzoo.embedding.pipeline import Pipeline
    from omlzoo.models._extractor import Extractor

__all__ = ["Migration", "common_neighbours", "migrate"]

DEFAULT = ComputeOptions()
COLLECTION = "omlzoo"  # of a store where no other name was given
Calibrated = Callable[[Embeddings, Calibration], Calibration | None]


@dataclass(frozen=True)
class Migration:
    """What a migration made.

    Attributes:
        index: The new index, as it was saved.
        before: Address of the old model.
        k: How many nearest rows were compared.
        queries: For how many rows, drawn from those that have a vector of both models.
        common: The share of them that is the same by both models, from 0 to 1.
        lost: Rows that the old index finds and whose picture cannot be read now.
    """

    index: Index
    before: str
    k: int
    queries: int
    common: float
    lost: int


def migrate(
    folder: str | Path,
    to: "Extractor | str | Path",
    out: str | Path,
    *,
    root: str | Path | None = None,
    remote: Named = None,
    calibrated: Calibrated | None = None,
    computing: ComputeOptions = DEFAULT,
    overwrite: bool = False,
    progress: bool = True,
    **options: Any,
) -> Migration:
    """Embed the pictures of an index by another model, into an index that appears as a whole at the end.

    Vectors are computed a file of rows at a time, into a folder beside ``out``; a run that was stopped and is started
    again goes on there. The old index is read and stays as it is, also where ``out`` is its own folder, until the new
    one takes its place. Rows that are added to it meanwhile are embedded too, before. Rows that were removed are left
    out, so the others have new numbers.

    Args:
        folder: The folder of the old index.
        to: The new model: an extractor, or what ``omlzoo.get_model`` opens.
        out: The folder of the new index.
        root: Where the pictures are now, if not where the index says: its relative paths start there.
        remote: Schemes and hosts of addresses among the paths that are followed.
        calibrated: Makes a calibration of the new embeddings where the old index has one, which it is given; None where
            it cannot. By default that of the new model's entry is taken, if it has one.
        computing: How the new model computes.
        overwrite: Whether an index that ``out`` holds is replaced.
        progress: Draw a bar where standard error is a terminal.
        options: Options of the backend, which hold instead of those of the old index. A store needs another place, such
            as ``collection=``, since the old index answers from its own.

    Raises:
        BadInput: The old index is by this model already, ``out`` or the place in a store is taken, or no picture can
            be read.
    """
    folder, out = Path(folder).resolve(), Path(out).resolve()
    check_free(out, OWNED)
    if is_index(out) and not overwrite:
        raise BadInput(f"{out} holds an index; give another name, or overwrite (--overwrite) to replace it")
    model = open_model(to)
    while True:
        old, facts = read_index(folder)
        table = _table(old, root, remote)
        place = _place(folder, facts, options, model)
        run, parts = _begun(model, table, out, computing)
        embeddings = _embedded(model, table, run, parts, progress)
        if generation_of(folder) == facts.generation:
            break
        notice(f"{folder} was saved anew meanwhile; what it has more is embedded too")
    if not embeddings.good.any():
        parts.delete()
        why = embeddings.table[ERROR].iloc[0]
        raise BadInput(
            f"none of the {len(embeddings)} pictures of {folder} can be read (the first: {why}); give root= where they "
            "are now"
        )
    left = old.rows(np.asarray(old.table[ERROR] != REMOVED, dtype=bool))
    k, queries, common = common_neighbours(left, embeddings)
    lost = int((left.good & ~embeddings.good).sum())
    if lost:
        first = left.table["path"].to_numpy()[left.good & ~embeddings.good][0]
        notice(f"{lost} of {int(left.good.sum())} pictures that {folder} finds cannot be read now, such as {first!r}; "
               f"{out} does not find them")  # fmt: skip
    calibration = None
    if facts.calibration is not None and calibrated is not None:
        calibration = calibrated(embeddings, facts.calibration)
    index = build_index(embeddings, backend=facts.backend, calibration=calibration, **place)
    if out == folder:
        index.saved = folder, facts.generation  # a saving that comes between is not overwritten
    index.save(out, overwrite=overwrite)
    parts.delete()
    return Migration(index, old.record.model, k, queries, common, lost)


def common_neighbours(
    before: Embeddings, after: Embeddings, k: int = 10, queries: int = 1000, seed: int = 0
) -> tuple[int, int, float]:
    """How many of the nearest rows are the same by two models: k, the number of queries, and the share, from 0 to 1.

    Args:
        before: N rows by one model.
        after: The same N rows by another one.
        k: How many nearest rows of each query are compared; at most the number of other rows.
        queries: Rows that are drawn as queries from those that both have, and not found themselves.
        seed: Seed of the drawing.
    """
    both = np.flatnonzero(before.good & after.good)
    k = min(k, len(both) - 1)
    if k < 1:
        return 0, 0, 1.0
    drawn = np.sort(np.random.default_rng(seed).choice(both, min(queries, len(both)), replace=False))
    found = []
    for each in (before, after):
        similarity = "cosine" if each.record.normalized else "euclidean"
        exact = catalog.find("index.backends", "exact")(similarity, each.record.dim)
        exact.add(each.vectors, both)
        found.append(exact.search(each.vectors[drawn], k, drawn)[1])
    common = [len(np.intersect1d(one, other)) for one, other in zip(*found, strict=True)]
    return k, len(drawn), float(np.mean(common)) / k


def _table(old: Embeddings, root: str | Path | None, remote: Named) -> Table:
    """The rows of an index that were not removed, as pictures to embed."""
    kept = np.asarray(old.table[ERROR] != REMOVED, dtype=bool)
    frame = old.table[kept].drop(columns=ERROR).reset_index(drop=True)
    return Table(frame, Path(old.record.root if root is None else root), "the index", remote=as_named(remote))


def _begun(model: "Extractor", table: Table, out: Path, computing: ComputeOptions) -> tuple["Pipeline", Shards]:
    """The model as it computes, and the folder of the vectors that are there until the index is."""
    from omlzoo.embedding.choices import settled_for
    from omlzoo.embedding.pipeline import Pipeline
    from omlzoo.embedding.run_record import record_of

    run = Pipeline.of(model, settled_for(model, table, computing, out))
    return run, Shards.temporary(out.with_name(f"{out.name}{PARTS}"), record_of(model, table.root, run))


def _embedded(model: "Extractor", table: Table, run: "Pipeline", parts: Shards, progress: bool) -> Embeddings:
    """The vectors of all rows; those that an earlier run computed are read."""
    from omlzoo.embedding.shard_writer import fill_shards

    with parts.lock():
        there = fill_shards(parts, table, run, progress)
        vectors, errors = parts.of(table)
    if there:
        notice(f"{there} of {len(table)} pictures were embedded by an earlier run, which goes on")
    frame = table.frame.assign(**{ERROR: error_column(errors, table.frame.index)})
    return Embeddings(vectors, frame, parts.record, model)


def _place(folder: Path, facts: Facts, given: Mapping[str, Any], model: "Extractor") -> dict[str, Any]:
    """The options of the new backend, refused before anything is computed where they would replace the old rows."""
    from omlzoo.embedding.rehearsal import weights_digest

    new, old = model.facts.entry.preprocess, Record.from_json(json.dumps(facts.record))
    same = json.loads(json.dumps(asdict(new))) == old.preprocess and model.normalize == old.normalized
    if same and weights_digest(model) == old.sha256 and model.dim == old.dim:
        raise BadInput(f"{folder} is by {old.model} with these weights already; there is nothing to migrate")
    options = named_options(facts.backend, facts.options, absolute(given), folder)
    searcher = made_searcher(facts.backend, "cosine" if model.normalize else "euclidean", model.dim, options)
    if not isinstance(searcher, StoredRows):
        return options
    theirs, store = {"collection": COLLECTION, **facts.options}, searcher.store
    if all(str(options.get(name, theirs.get(name))) == str(theirs.get(name)) for name in ("collection", *ADDRESSES)):
        raise BadInput(
            f"{folder} answers from {store.collection!r} of {store.address}; give the new one a place of its own, such "
            "as collection= (--option.collection)"
        )
    if store.exists() and not options.get("overwrite"):
        raise BadInput(
            f"{store.address} has {store.collection!r} already; give collection= another name, or overwrite=True "
            "(--option.overwrite true) to replace it"
        )
    return options

"""build_index() and open_index()."""

import json
from pathlib import Path
from typing import Any

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.checkpoints.folder import open_entry
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.embedding.shards import load_embeddings
from omlzoo.errors import BadInput, notice
from omlzoo.files import recovered
from omlzoo.index.index import FACTS, VECTORS, Index, Recall
from omlzoo.jsonio import read_json
from omlzoo.zoo.registry import get_weights

__all__ = ["Index", "build_index", "open_index"]


def build_index(
    embeddings: Embeddings,
    *,
    backend: str = "exact",
    calibration: Calibration | str | Path | None = None,
    **options: Any,
) -> Index:
    """An index over embeddings. The recall of an approximate backend is measured and kept as ``index.recall``.

    Args:
        embeddings: Embeddings that ``omlzoo.embed`` or ``omlzoo.load_embeddings`` returned.
        backend: A name of omlzoo.index: "exact" looks at every vector, "faiss" at a graph of neighbours; docs/search.md
            has them all.
        calibration: What ``omlzoo.calibrate`` returned, or a folder or JSON file that has it; by default that of the
            model's entry.
        options: Options of the backend, such as ``uri=`` of "milvus".

    Raises:
        UnknownName: There is no such backend.
        BadInput: No row has a vector, the calibration is of another model, or the backend refuses an option.
        MissingExtra: The backend's package is not installed.
    """
    if isinstance(calibration, str | Path):
        calibration = _read_calibration(Path(calibration))
    elif calibration is None:
        calibration = _of_model(embeddings)
    if "uri" in options and "://" not in str(options["uri"]):
        options["uri"] = str(Path(options["uri"]).absolute())
    index = Index(embeddings, backend, calibration, options)
    if index.searcher.approximate and index.size > 1:
        index.measure_recall()
    return index


def open_index(folder: str | Path) -> Index:
    """The index that ``Index.save`` wrote.

    Raises:
        BadInput: The folder is none of ours.
    """
    folder = recovered(folder)
    facts = folder / FACTS
    if not facts.is_file():
        raise BadInput(f"{folder}: has no {FACTS}; give a folder that `omlzoo index` or Index.save wrote")
    embeddings = load_embeddings(folder / VECTORS)
    settings = read_json(facts)
    try:
        record, backend = Record.from_json(json.dumps(settings["record"])), str(settings["backend"])
        known, measured = settings.get("calibration"), settings.get("recall")
        calibration = None if known is None else Calibration.from_json(known, f"{facts}: calibration")
        recall = None if measured is None else Recall(**measured)
        options = dict(settings.get("options") or {})
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{facts}: damaged ({error}); build the index again") from error
    if record != embeddings.record:
        raise BadInput(f"{folder}: {FACTS} and {VECTORS} are of different runs; build the index again")
    index = Index(embeddings, backend, calibration, options, kept=folder)
    index.recall = recall
    return index


def _read_calibration(path: Path) -> Calibration:
    if path.is_dir():
        calibration = open_entry(path).calibration
        if calibration is None:
            raise BadInput(f"{path}: its entry has no calibration; run `omlzoo calibrate {path} TABLE`")
        return calibration
    return Calibration.from_json(read_json(path), str(path))


def _of_model(embeddings: Embeddings) -> Calibration | None:
    """The calibration of the entry of the model, if it is at hand and of these very weights and preprocessing."""
    record, model = embeddings.record, embeddings.model
    facts = getattr(model, "weights", None)
    if facts is None and Path(record.model).is_dir():
        facts = get_weights(record.model)
    calibration: Calibration | None = None if facts is None else facts.entry.calibration
    if calibration is None:
        return None
    try:
        calibration.check(record.sha256, record.preprocess_hash, record.normalized)
    except BadInput as error:
        notice(f"the calibration of {record.model} is not used: {error}")
        return None
    return calibration

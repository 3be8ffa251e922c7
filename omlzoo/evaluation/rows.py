"""The rows that a model is measured on, embedded: of a table its validation rows, of any other source all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from omlzoo.data.addresses import Named
from omlzoo.data.picture_list import Source, Stream, open_source
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.extraction import embed_table
from omlzoo.embedding.options import ComputeOptions
from omlzoo.embedding.streaming import embed_stream
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.registry import open_model

__all__ = ["embed_validation", "rows_to_measure"]

FLAGS = ("is_query", "is_gallery")


def embed_validation(
    model: Extractor,
    source: Source,
    root: str | Path | None,
    remote: Named,
    options: ComputeOptions,
    progress: bool,
    roles: Callable[[pd.DataFrame], pd.DataFrame] = pd.DataFrame,
) -> tuple[Embeddings, str]:
    """Embeddings of the rows to measure on, and the name of their source.

    Rows of pictures in memory, and of datasets, are all asked for among all others.

    Args:
        model: The extractor.
        source: A table, a folder, an archive, or anything that ``omlzoo.embed`` takes, with labels.
        root: Where relative paths start.
        remote: Schemes and hosts of addresses that are followed.
        options: How the model computes.
        progress: Draw a bar where standard error is a terminal.
        roles: Gives the rows to be measured their roles, or refuses them, before anything is computed; by default
            they keep those they have.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: Pictures in memory have no labels.
    """
    opened = open_source(source, root, "evaluate", remote)
    if isinstance(opened, Stream):
        embeddings = embed_stream(model, opened, options=options, progress=progress)
        return replace(embeddings, table=roles(_flagged(embeddings.table, opened.name))), opened.name
    table, pictures = opened
    if pictures is not None:
        table = replace(table, frame=_flagged(table.frame, table.name))
    if "split" in table.frame:
        table = table.rows((table.frame["split"] == "validation").to_numpy()) if pictures is None else table
    table = replace(table, frame=roles(table.frame))
    return embed_table(model, table, pictures, options=options, progress=progress), table.name


def _flagged(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows as queries and gallery, where they do not say otherwise."""
    if "label" not in frame:
        raise BadInput(f"{name} has no labels; give pairs of picture and label, a table, or a folder per label")
    return frame.assign(**{flag: True for flag in FLAGS if flag not in frame})


def rows_to_measure(
    model: Extractor | Embeddings | str | Path,
    source: Source | None,
    root: str | Path | None,
    remote: Named,
    options: ComputeOptions,
    progress: bool,
    roles: Callable[[pd.DataFrame], pd.DataFrame] = pd.DataFrame,
) -> tuple[Embeddings, str]:
    """Embeddings of the rows to measure on, and the name of their source: those that are given, or a model's.

    Args:
        model: Embeddings with the columns of the table, an extractor, or what ``omlzoo.get_model`` opens.
        source: As in :func:`embed_validation`; None with embeddings.
        root: Where relative paths start.
        remote: Which addresses in a table are followed.
        options: How the model computes.
        progress: Draw a bar where standard error is a terminal.
        roles: Gives the rows their roles as queries and gallery.

    Raises:
        BadInput: The table is missing, or there is one beside embeddings.
    """
    if isinstance(model, Embeddings):
        if source is not None:
            raise BadInput("table is given together with embeddings; embeddings have their own rows, leave table out")
        return replace(model, table=roles(model.table)), "embeddings"
    if source is None:
        raise BadInput("table is missing; give a csv, a parquet file, a DataFrame or a folder")
    return embed_validation(open_model(model), source, root, remote, options, progress, roles)

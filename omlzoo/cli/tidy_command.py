"""omlzoo tidy."""

from pathlib import Path

from omlzoo.cli.output import print_columns, print_line
from omlzoo.errors import counted

__all__ = ["tidy_command"]

NAMED = 4  # pictures of a group that are named
SHOWN = 12  # groups of each kind
WORDS = {"labels": "different labels", "splits": "across splits", "rest": "near-duplicates"}


def tidy_command(
    embeddings: Path,
    *,
    distance: float = 0.1,
    clusters: int = 20,
    html: Path | None = None,
    seed: int = 0,
    exhaustive: bool | None = None,
) -> None:
    """Show what a collection holds: near-duplicates, pictures unlike all others, and kinds of pictures.

    Near-duplicates with different labels come first, then those that two splits share.

    Parameters
    ----------
    embeddings
        A file or folder that `omlzoo embed` wrote.
    distance
        Pictures at that distance or less are near-duplicates.
    clusters
        Kinds of pictures to find.
    html
        Also write one page with the pictures, a map, and buttons that write what to keep, drop or relabel to a csv.
    seed
        Seed of the clustering.
    exhaustive
        Compare all pictures with all. By default up to 20,000 are; of more those that a graph of neighbours proposes.
    """
    from omlzoo.embedding.shards import load_embeddings
    from omlzoo.evaluation.collection import describe_collection

    collection = describe_collection(load_embeddings(embeddings), distance, clusters, seed, exhaustive=exhaustive)
    paths = collection.embeddings.table["path"].astype(str).to_numpy()
    groups = collection.duplicates
    rows = [
        [WORDS[kind], str(len(group)), " ".join(paths[group[:NAMED]])]
        for kind, found in collection.by_importance().items()
        for group in found[:SHOWN]
    ]
    rows += [["unlike all others", f"{collection.strangeness[row]:.2f}", paths[row]] for row in collection.strangest]
    rows += [["kind", str(len(group)), " ".join(paths[group[:NAMED]])] for group in collection.kinds]
    print_columns(["what", "size", "pictures"], rows)
    left_out = f"; {collection.failed} without a vector were left out" if collection.failed else ""
    copies = f"{sum(map(len, groups))} in {counted(len(groups), 'group')} of near-duplicates"
    print_line(f"{counted(len(paths), 'picture')}, {copies}{left_out}")
    print_line(collection.how)
    if html is not None:
        from omlzoo.evaluation.tidy_page import write_page

        write_page(collection, html)

"""What a collection of images holds: near-duplicates, images unlike all others, kinds; and the page that shows it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omlzoo.curation._how import says_how
from omlzoo.curation.kmeans import clusters as find_clusters
from omlzoo.curation.outlier_detection import near_duplicates, outliers
from omlzoo.data.images import to_rgb
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadImage, BadInput
from omlzoo.evaluation import plots
from omlzoo.files import new_file
from omlzoo.pages.render import Card, Heading, Row, gallery_page, thumbnail

__all__ = ["SHOWN", "Collection", "describe_collection", "write_page"]

SHOWN = 12  # images of a group, and groups
SIDE = 96  # pixels of an image on the map
NEIGHBOURS = 5  # whose distance says how unlike all others an image is


@dataclass(frozen=True)
class Collection:
    """What a collection holds.

    Attributes:
        embeddings: Embeddings of the images that have a vector.
        distance: Largest Euclidean distance of near-duplicates.
        duplicates: Rows of each group of near-duplicates, the largest group first.
        strangest: Rows of the images that are least like all others, the strangest first.
        strangeness: (N,) outlier score of every row, the larger the stranger.
        kinds: Rows of each cluster, the most central first.
        centres: (K, D) centres of the clusters.
        failed: How many images had no vector and were left out.
        how: How near-duplicates and outliers were looked for, in one sentence.
    """

    embeddings: Embeddings
    distance: float
    duplicates: list[np.ndarray]
    strangest: np.ndarray
    strangeness: np.ndarray
    kinds: list[np.ndarray]
    centres: np.ndarray
    failed: int
    how: str


def describe_collection(
    embeddings: Embeddings, distance: float = 0.1, clusters: int = 20, seed: int = 0, *, exhaustive: bool | None = None
) -> Collection:
    """Near-duplicates, outliers and kinds among embeddings.

    Args:
        embeddings: Embeddings, with a vector for at least two images.
        distance: Euclidean distance; images at that distance or less are near-duplicates.
        clusters: Number of kinds to find; fewer where there are fewer images.
        seed: Seed of the clustering.
        exhaustive: Compare all rows with all; None does so up to 20,000 rows, of more those that a graph proposes.

    Raises:
        BadInput: Fewer than two rows have a vector.
    """
    good = embeddings.rows(embeddings.good)
    failed = len(embeddings) - len(good)
    if len(good) < 2:
        left_out = f"; {failed} without a vector were left out" if failed else ""
        raise BadInput(f"there are {len(good)} rows with a vector{left_out}; there is nothing to compare")
    strangeness = outliers(good.vectors, min(NEIGHBOURS, len(good) - 1), exhaustive=exhaustive)
    kinds = find_clusters(good.vectors, min(clusters, len(good)), seed)
    return Collection(
        embeddings=good,
        distance=distance,
        duplicates=near_duplicates(good.vectors, distance, exhaustive=exhaustive),
        strangest=np.argsort(-strangeness, kind="stable")[:SHOWN],
        strangeness=strangeness,
        kinds=list(kinds.members),
        centres=kinds.centres,
        failed=failed,
        how=says_how(len(good), exhaustive),
    )


def write_page(collection: Collection, path: str | Path) -> None:
    """Write one page with the images of each group; a map of the kinds needs matplotlib, else the page says so.

    Args:
        collection: The collection to show.
        path: The file to write.
    """
    good = collection.embeddings
    table = good.pictures()
    files, boxes = table.files(), table.boxes()

    def card(row: int, text: str = "") -> Card:
        return Card(thumbnail(files[row], boxes[row]), files[row].name, text)

    groups = [(f"near-duplicates, {len(group)}", group) for group in collection.duplicates[:SHOWN]]
    groups += [("unlike all others", collection.strangest)]
    groups += [(f"kind, {len(group)} pictures", group) for group in collection.kinds]
    rows = [
        Row(card(int(group[0]), title), [card(int(row)) for row in group[1:SHOWN]])
        for title, group in groups
        if len(group)
    ]
    facts = [
        f"{len(good)} pictures",
        f"Near-duplicates are at most {collection.distance:g} apart; kinds are clusters, the most central first.",
        f"Near-duplicates and outliers: {collection.how}.",
    ]
    figures = []
    if plots.can_draw():
        central = [_pixels(files[int(group[0])], boxes[int(group[0])]) for group in collection.kinds]
        figures = plots.drawn(plots.map_of_kinds, good.vectors, collection.kinds, collection.centres, central)
    else:
        facts.append("No map: matplotlib is not installed (pip install 'omlzoo[train]').")
    page = gallery_page(Heading("What is there", good.record.model), facts, rows, figures)
    with new_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _pixels(file: Path, box: tuple[int, int, int, int] | None) -> np.ndarray | None:
    """A small image (H, W, 3) uint8 for the map; None where it cannot be read."""
    try:
        image = to_rgb(file, box)
    except BadImage:
        return None
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)

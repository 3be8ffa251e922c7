"""omlzoo tidy."""

from pathlib import Path

from omlzoo.cli.output import print_columns
from omlzoo.errors import BadImage, BadInput

__all__ = ["tidy_command"]

SHOWN = 12  # pictures of a group, and groups
SIDE = 96  # pixels of a picture on the map


def tidy_command(
    embeddings: Path, *, distance: float = 0.1, clusters: int = 20, html: Path | None = None, seed: int = 0
) -> None:
    """Show what a collection holds: near-duplicates, pictures unlike all others, and kinds of pictures.

    Parameters
    ----------
    embeddings
        A file or folder that `omlzoo embed` wrote.
    distance
        Pictures at that distance or less are near-duplicates.
    clusters
        Kinds of pictures to find.
    html
        Also write one page with the pictures.
    seed
        Of the clusters.
    """
    import numpy as np

    from omlzoo.curation import clusters as divide
    from omlzoo.curation import near_duplicates, outliers
    from omlzoo.data.images import to_rgb
    from omlzoo.data.table import Table
    from omlzoo.embedding.shards import load_embeddings
    from omlzoo.evaluation import plots
    from omlzoo.files import new_file
    from omlzoo.pages.render import Card, Row, gallery_page, thumbnail

    found = load_embeddings(embeddings)
    failed = int((~found.good).sum())
    left_out = f"; {failed} without a vector were left out" if failed else ""
    found = found.rows(found.good)
    if len(found) < 2:
        raise BadInput(f"{embeddings} has {len(found)} rows with a vector{left_out}; there is nothing to compare")
    groups = near_duplicates(found.vectors, distance)
    odd = outliers(found.vectors, min(5, len(found) - 1))
    strangest = np.argsort(-odd, kind="stable")[:SHOWN]
    kinds = divide(found.vectors, min(clusters, len(found)), seed)
    paths = found.table["path"].astype(str).to_numpy()
    rows = [["near-duplicates", str(len(group)), " ".join(paths[group[:4]])] for group in groups[:SHOWN]]
    rows += [["unlike all others", f"{odd[row]:.2f}", paths[row]] for row in strangest]
    rows += [["kind", str(len(group)), " ".join(paths[group[:4]])] for group in kinds.members]
    print_columns(["what", "size", "pictures"], rows)
    print(f"{len(found)} pictures, {sum(map(len, groups))} in {len(groups)} groups of near-duplicates{left_out}")
    if html is None:
        return
    table = Table(found.table, Path(found.record.root), str(embeddings))
    files, boxes = table.files(), table.boxes()

    def card(row: int, text: str = "") -> Card:
        return Card(thumbnail(files[row], boxes[row]), files[row].name, text)

    def picture(row: int) -> np.ndarray | None:
        try:
            image = to_rgb(files[row], boxes[row])
        except BadImage:
            return None
        image.thumbnail((SIDE, SIDE))
        return np.asarray(image)

    parts = [*((f"near-duplicates, {len(group)}", group) for group in groups[:SHOWN]), ("unlike all others", strangest),
             *((f"kind, {len(group)} pictures", group) for group in kinds.members)]  # fmt: skip
    shown = [
        Row(card(int(group[0]), title), [card(int(row)) for row in group[1:SHOWN]])
        for title, group in parts
        if len(group)
    ]
    facts = [
        f"{len(found)} pictures, model {found.record.model}",
        f"Near-duplicates are at most {distance:g} apart; kinds are clusters, the most central first.",
    ]
    figures = []
    if plots.can_draw():
        central = [picture(int(group[0])) for group in kinds.members]
        figures.append(plots.map_of_kinds(found.vectors, kinds.members, kinds.centres, central))
    else:
        facts.append("No map: matplotlib is not installed (pip install 'omlzoo[train]').")
    with new_file(html) as temporary:
        temporary.write_text(gallery_page("What is there", facts, shown, figures), encoding="utf-8")

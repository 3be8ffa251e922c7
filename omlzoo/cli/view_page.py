"""The page that shows pictures with their views before training: the views decide what is learned."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from omlzoo.data.images import to_rgb
from omlzoo.data.views import shown
from omlzoo.errors import BadImage, BadInput, notice
from omlzoo.files import check_free, new_file
from omlzoo.pages.album import Album
from omlzoo.pages.parts import Heading, Row
from omlzoo.pages.render import gallery_page
from omlzoo.training.finetuning import start_model
from omlzoo.training.parts import make_augment
from omlzoo.training.pretraining import check_objective, chosen_settings, picture_rows
from omlzoo.training.recipe import Recipe

__all__ = ["preview_views"]

PICTURES = 10


def preview_views(
    model: str, pictures: Path, out: Path, recipe: Recipe | None = None, root: Path | None = None, **settings: Any
) -> Path:
    """Write a page with ten pictures, each with the views that ``pretrain`` would draw of it.

    Args:
        model: What ``omlzoo.get_model`` opens, whose preprocessing gives the size of the views.
        pictures: A folder or a table.
        out: The page; ".html" is added where it has no ending.
        recipe: All settings; None lets them follow from the pictures.
        root: The folder where relative paths start.
        **settings: Settings of the recipe by name, such as ``views="photo"``.

    Returns:
        The file of the page.

    Raises:
        BadInput: There is a file of that name already, or no picture can be read.
    """
    out = out if out.suffix else out.with_name(f"{out.name}.html")
    check_free(out, ())
    known = (recipe or Recipe()).changed(settings)
    table = picture_rows(pictures, root)
    start = start_model(model, known)
    if recipe is None:
        known = known.changed(chosen_settings(table, start, False, settings))
    check_objective(known)
    views, _ = make_augment(known, start.entry.preprocess)
    rows, unread, album = [], [], Album(out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(known.seed)
        files, boxes, names = table.files(), table.boxes(), [str(path) for path in table.frame["path"]]
        for number in np.linspace(0, len(files) - 1, min(PICTURES, len(files))).astype(int).tolist():
            try:
                image = to_rgb(files[number], boxes[number])
            except BadImage as error:
                unread.append(str(error))
                continue
            cards = []
            made = views(image)
            for place, view in enumerate(shown(made if isinstance(made, list) else [made])):
                size = f"{view.height} x {view.width} pixels"  # before a thumbnail is made of it
                cards.append(album.card(view, None, f"view {place + 1}", size, name=names[number]))
            rows.append(Row(album.card(image, None, names[number], name=names[number]), cards))
    if not rows:
        raise BadInput(f"{table.name}: none of the pictures can be read; the first: {unread[0]}")
    if unread:
        notice(f"{len(unread)} pictures cannot be read and are not shown; the first: {unread[0]}")
    facts = [
        f"views {known.views}: {known.globals} of the whole picture, {known.locals} of parts; objective "
        f"{known.objective}",
        "What all views of a picture have in common is what the model keeps: choose views in which two pictures that "
        "must be told apart still look different (--views).",
    ]
    page = gallery_page(Heading("Views of pictures", start.entry.name, table.name), facts, rows)
    with new_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return out

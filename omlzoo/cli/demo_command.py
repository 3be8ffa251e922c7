"""omlzoo demo: the whole way on pictures that are drawn on the spot, offline."""

import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from omlzoo.cli.output import print_columns, print_line
from omlzoo.errors import BadInput

__all__ = ["MODEL", "demo_command"]

MODEL = "resnet_small_omniglot"


def demo_command(*, out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("demo"), epochs: int = 4) -> None:
    """Draw invented alphabets, then lint, embed, evaluate, index, search, fine-tune and evaluate again. No downloads.

    Parameters
    ----------
    out
        The folder to write; it must not exist.
    epochs
        Epochs of the fine-tuning.
    """
    from omlzoo.checkpoints.manifest import find
    from omlzoo.data import synthetic, table
    from omlzoo.embedding.extraction import embed
    from omlzoo.embedding.shards import load_embeddings
    from omlzoo.evaluation.evaluation import evaluate_embeddings
    from omlzoo.index.build import build_index, open_index
    from omlzoo.training import finetune
    from omlzoo.zoo.local_models import PHOTOS
    from omlzoo.zoo.presence import place_of
    from omlzoo.zoo.registry import get_model

    if out.exists():
        raise BadInput(f"{out} exists; give another folder with --out, or remove it first")
    clock = _Clock()
    csv = synthetic.write_alphabets(out / "pictures")
    rows = table.read(csv, "train")
    clock.done("drawn", f"{len(rows)} pictures of {rows.frame['label'].nunique()} invented characters: {csv}")
    faults = table.find_faults(csv)
    clock.done("checked", f"{len(faults)} faults in the table")
    model = get_model(MODEL)
    held = table.read(csv, "evaluate")
    held = held.rows((held.frame["split"] == "validation").to_numpy())
    embeddings = embed(model, held.frame, root=held.root, out=out / "embeddings.parquet")
    rate = len(embeddings) / embeddings.stats["seconds"]
    clock.done("embedded", f"{len(embeddings)} pictures of unseen alphabets with {MODEL}, {rate:.0f} a second")
    before = evaluate_embeddings(load_embeddings(out / "embeddings.parquet"), str(csv))
    before.html(out / "evaluation.html")
    clock.done("evaluated", f"CMC@1 {before.metrics['cmc@1']:.3f}: {out / 'evaluation.html'}")
    build_index(embeddings).save(out / "index")
    first = held.frame.groupby("label").head(1).head(12)
    hits = open_index(out / "index").search(embed(model, first, root=held.root), k=7, exclude_self=True)
    hits.html(out / "search.html")
    clock.done("searched", f"{len(first)} queries: {out / 'search.html'}")
    run = finetune(model, csv, out=out / "run", epochs=epochs, augment="drawing", loss="SupConLoss", lr=2e-3,
                   n_labels=12, n_instances=4)  # fmt: skip
    clock.done(
        "fine-tuned", f"{len(run.history)} epochs on {run.report.facts['training pictures']} pictures: {out / 'run'}"
    )
    after = run.report.metrics
    model = get_model(str(out / "run"))
    clock.done("opened", f"{model} by the same call: get_model({str(out / 'run')!r})")
    names = ["cmc@1", "cmc@5", "map@5", "map@r"]
    print_line()
    print_columns(
        ["on unseen alphabets", "pretrained", "fine-tuned"],
        [[name, f"{before.metrics[name]:.3f}", f"{after[name]:.3f}"] for name in names],
    )
    if place_of(find(PHOTOS)):
        photo = embed(PHOTOS, held.frame, root=held.root)
        rate, found = len(photo) / photo.stats["seconds"], evaluate_embeddings(photo, str(csv), thorough=False)
        print_line(
            f"\n{PHOTOS}, the model for photos, is here: {rate:.0f} pictures a second, CMC@1 "
            f"{found.metrics['cmc@1']:.3f} on these drawings. For your own photos: omlzoo serve PHOTOS"
        )
    else:
        print_line("\nFor your own photos: pip install 'omlzoo[photos]', then omlzoo serve PHOTOS")
    pages = f"{out / 'search.html'} and {out / 'run' / 'report.html'}"
    print_line(f"\nOpen {pages} in a browser. {clock.total():.0f} seconds in all.")


class _Clock:
    """Prints each step with its seconds."""

    def __init__(self) -> None:
        self.first = self.last = time.perf_counter()

    def done(self, step: str, text: Any) -> None:
        now = time.perf_counter()
        print_line(f"{step:11} {text}  ({now - self.last:.1f} s)")
        self.last = now

    def total(self) -> float:
        return time.perf_counter() - self.first

"""omlzoo list."""

from dataclasses import asdict

from omlzoo.cli.output import best_metric, print_columns, print_json
from omlzoo.zoo.registry import get_weights, list_models

__all__ = ["list_command"]


def list_command(
    pattern: str = "",
    *,
    family: str | None = None,
    license: str | None = None,
    commercial: bool | None = None,
    pinned: bool | None = None,
    json: bool = False,
) -> None:
    """Show the checkpoints of the zoo.

    Parameters
    ----------
    pattern
        Names to show, with the wildcards * ? [ ].
    family
        Only those of this family, such as dinov2.
    license
        Only those of this licence, such as apache-2.0.
    commercial
        Only those whose licence is known to allow commercial use; with --no-commercial only the others.
    pinned
        Only those whose entry has the commit and sha256 of the file; with --no-pinned only the others.
    json
        Print one JSON document.
    """
    checkpoints = [
        get_weights(name)
        for name in list_models(pattern, family=family, license=license, commercial=commercial, pinned=pinned)
    ]
    if json:
        print_json([
            {"name": w.name, "dim": w.dim, "params": w.params, "license": w.license,
             "commercial": w.entry.commercial, "pinned": w.pinned, "pin": w.entry.pin,
             "family": w.entry.family, "metrics": [asdict(m) for m in w.metrics]}
            for w in checkpoints
        ])  # fmt: skip
        return
    rows = [
        [
            w.name,
            str(w.dim),
            f"{w.params / 1e6:.1f} M",
            w.license or "unknown",
            (w.entry.pin or "") if w.pinned else "unpinned",
            best_metric(w.metrics),
        ]
        for w in checkpoints
    ]
    print_columns(["name", "dim", "params", "licence", "", "best known metric"], rows)

"""Verify entries of the zoo on this machine: fetch, strict load, fingerprint, retrieval on a table. Needs the network.

    python scripts/verify_zoo.py                                          fetch, load and fingerprint every entry
    python scripts/verify_zoo.py NAME... --table T.csv --dataset "SOP"    also measure these on the validation rows
    python scripts/verify_zoo.py --write                                  write what was found into weights_manifest

The metrics are nearest-neighbour retrieval (cmc@1, map@r) in float32 with the entry's own preprocessing, and say who
measured them, when and how. An entry whose fingerprint differs from the stored one is reported and not touched. Exit
code 1 where anything failed.
"""

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import timm
import torch

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry, Metric, dump_entry
from omlzoo.errors import OmlzooError
from omlzoo.zoo import fingerprint

SHOWN = ("cmc@1", "map@r")


def verified(entry: Entry, table: Path | None = None, dataset: str | None = None) -> Entry:
    """The entry with fingerprint and metrics as they are here.

    Args:
        entry: Of the zoo; its file is fetched and hashed again.
        table: Its validation rows are measured.
        dataset: What the table is called in the metrics; its file name by default.

    Raises:
        OmlzooError: The weights cannot be had, do not fit, or compute something else than their fingerprint says.
    """
    omlzoo.get_weights(entry.name).fetch(afresh=True)
    model = omlzoo.get_model(entry.name)
    if entry.fingerprint is not None:
        fingerprint.check(model, entry.fingerprint, entry.name)
    entry = replace(entry, fingerprint=entry.fingerprint or fingerprint.fingerprint(model))
    if table is None:
        return entry
    report = omlzoo.evaluate(model, table, precision="fp32")
    dataset = dataset or table.name
    where = (f"scripts/verify_zoo.py on {report.metrics['queries']} queries, {datetime.now(UTC).date()}, "
             f"torch {torch.__version__}, timm {timm.__version__}")  # fmt: skip
    new = [Metric(dataset, key, round(report.metrics[key], 4), "omlzoo", where, "upstream") for key in SHOWN]
    replaced = {(metric.dataset, metric.metric) for metric in new}
    kept = [m for m in entry.metrics if m.by != "omlzoo" or (m.dataset, m.metric) not in replaced]
    return replace(entry, metrics=(*kept, *new))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--table", type=Path, help="a table whose validation rows are measured")
    parser.add_argument("--dataset", help="its name in the metrics")
    parser.add_argument("--write", action="store_true", help="write what was found into the entries")
    args = parser.parse_args(arguments)
    names = args.names or manifest.own_names()
    failed = []
    for name in names:
        entry = manifest.find(name)
        try:
            new = verified(entry, args.table, args.dataset)
        except OmlzooError as error:
            failed.append(name)
            print(f"{name}: FAILED: {error}")
            continue
        figures = ", ".join(f"{m.metric} {m.value:.4f}" for m in new.metrics if m not in entry.metrics)
        print(f"{name}: {'fingerprint as stored' if entry.fingerprint else 'fingerprint new'} {figures}".rstrip())
        if args.write and new != entry:
            (manifest.folder() / f"{name}.json").write_text(dump_entry(new), encoding="utf-8")
    print(f"{len(names) - len(failed)} of {len(names)} entries are what they say")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

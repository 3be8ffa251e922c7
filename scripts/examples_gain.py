"""What a second example and negatives gain in a search: CMC@1 and MAP@R of embeddings with queries and a gallery.

    omlzoo embed efficientnet_lite0_in1k ../shared/data/grocery/grocery_cross.csv -o vectors.parquet
    python scripts/examples_gain.py vectors.parquet

Each query is asked alone; with a query of its label drawn at random; and with what a person would call wrong among its
first hits, which is then left out of the gallery.
"""

import argparse
from typing import Any

import numpy as np

import omlzoo

WRONG = (1, 3)  # first wrong hits that are negatives


def measures(hits: np.ndarray, labels: np.ndarray, label: object) -> tuple[float, float]:
    right = labels[hits] == label
    count = int((labels == label).sum())
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    return float(right[0]), float((precision * right)[:count].sum() / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings")
    rows = omlzoo.load_embeddings(parser.parse_args().embeddings)
    roles = ((rows.table[name].astype(str).str.lower() == "true").to_numpy() for name in ("is_query", "is_gallery"))
    asked, gallery = (rows.rows(role) for role in roles)
    index, labels = omlzoo.build_index(gallery), gallery.table["label"].to_numpy()
    wanted, draw = asked.table["label"].to_numpy(), np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = {}

    def ask(name: str, examples: np.ndarray, label: object, left: np.ndarray, **how: Any) -> np.ndarray:
        hits = index.search(examples, k=len(gallery), where=np.setdiff1d(np.arange(len(gallery)), left), **how).ids[0]
        found.setdefault(name, []).append(measures(hits[hits >= 0], labels, label))
        return np.asarray(hits)

    none = np.array([], dtype=np.int64)
    for number, label in enumerate(wanted):
        alone = asked.vectors[[number]]
        hits = ask("alone", alone, label, none)
        both = asked.vectors[[number, draw.choice(np.flatnonzero(wanted == label))]]
        for combine in ("average", "any", "all"):
            ask(f"two examples, {combine}", both, label, none, combine=combine)
        for count in WRONG:
            wrong = hits[labels[hits] != label][:count]
            ask(f"alone, {count} wrong left out", alone, label, wrong)
            ask(f"{count} negatives", alone, label, wrong, negatives=gallery.vectors[wrong])
    print("| asked with | CMC@1 | MAP@R |\n|---|---|---|")
    for name, values in found.items():
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in np.mean(values, axis=0))} |")


if __name__ == "__main__":
    main()

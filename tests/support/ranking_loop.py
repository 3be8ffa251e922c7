"""Ranking metrics as a loop over queries that one can check by eye."""

import numpy as np

__all__ = ["by_hand"]


def by_hand(
    embeddings: np.ndarray, labels: list[int], queries: list[int], gallery: list[int], sequences: list[int], k: int
) -> dict[str, float]:
    sums = {"cmc": 0.0, "precision": 0.0, "map": 0.0, "map@r": 0.0, "r": 0.0}
    counted = 0
    for q in queries:
        rows = [g for g in gallery if g != q and not (sequences[g] == sequences[q] and sequences[q] >= 0)]
        rows.sort(key=lambda g: (np.linalg.norm(embeddings[g].astype(float) - embeddings[q]), g))
        right = [labels[g] == labels[q] for g in rows]
        n = sum(right)
        if n == 0:
            continue
        counted += 1
        precisions = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
        hits = sum(right[:k])
        sums["cmc"] += hits > 0
        sums["precision"] += hits / min(n, k, len(rows))
        sums["map"] += sum(p for p, r in zip(precisions[:k], right[:k], strict=True) if r) / hits if hits else 0
        sums["map@r"] += sum(p for p, r in zip(precisions[:n], right[:n], strict=True) if r) / n
        sums["r"] += sum(right[:n]) / n
    return {name: value / counted if counted else float("nan") for name, value in sums.items()}

"""Choices over embeddings: against loops, against the best that brute force finds, and on made cases."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import omlzoo
from omlzoo.cli import main
from omlzoo.curation import (
    Balance,
    Diversity,
    Likeness,
    Scores,
    Typicality,
    choose,
    clusters,
    near_duplicates,
    outlier_detection,
    outliers,
)
from omlzoo.data import table
from omlzoo.errors import BadInput, OmlzooWarning


def points(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 2)).astype(np.float32)


def radius(vectors: np.ndarray, chosen: list[int]) -> float:
    return max(min(float(np.linalg.norm(row - vectors[other])) for other in chosen) for row in vectors)


@given(st.integers(5, 11), st.integers(1, 4), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_diversity_covers_within_twice_the_best(rows: int, count: int, seed: int) -> None:
    vectors = points(rows, seed)
    chosen = choose(vectors, count, [Diversity()]).tolist()
    best = min(radius(vectors, list(other)) for other in itertools.combinations(range(rows), count))
    assert len(set(chosen)) == count
    assert radius(vectors, chosen) <= 2 * best + 1e-5


def by_hand(vectors: np.ndarray, count: int, density: list[float], power: float) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        far = [min((math.dist(row, vectors[c]) for c in found), default=1.0) for row in vectors.tolist()]
        worth = [
            f / max(far) * d**power if i not in found else -1 for i, (f, d) in enumerate(zip(far, density, strict=True))
        ]
        found.append(worth.index(max(worth)))
    return found


def test_the_product_rule_is_the_loop() -> None:
    vectors = points(30, 3)
    density = []
    for i, row in enumerate(vectors.tolist()):
        near = sorted(math.dist(row, other) for j, other in enumerate(vectors.tolist()) if j != i)[:4]
        density.append(4 / sum(near))
    density = [value / max(density) for value in density]
    for power in (1.0, 3.0):
        found = choose(vectors, 9, [Diversity(), Typicality(k=4, strength=power)]).tolist()
        assert found == by_hand(vectors, 9, density, power)


def test_limits_starts_and_scores() -> None:
    line = np.arange(10, dtype=np.float32)[:, None]
    assert choose(line, 10, [Diversity(least=3.5)], start=[0]).tolist() == [9, 4]  # 5 is 4 from 9, but 4 comes first
    assert choose(line, 3, [Scores([0, 5, 1, 9, 0, 0, 0, 0, 2, 0])]).tolist() == [3, 1, 8]
    assert sorted(choose(line, 9, [Scores(np.arange(10), least=7)]).tolist()) == [7, 8, 9]
    turned = np.stack([np.cos(line[:, 0] / 3), np.sin(line[:, 0] / 3)], axis=1)
    assert choose(turned, 2, [Likeness(turned[4:5] * 9)]).tolist()[0] == 4
    assert set(choose(turned, 9, [Likeness(turned[4:5], least=math.cos(0.4))]).tolist()) == {3, 4, 5}


def test_balance_reaches_its_target() -> None:
    vectors = points(300, 0)
    kinds = np.where(np.arange(300) < 280, "common", "rare")
    chosen = choose(vectors, 20, [Diversity(), Balance(kinds, 20)])
    assert (kinds[chosen] == "rare").sum() == 10
    chosen = choose(vectors, 20, [Diversity(), Balance(kinds, 20, {"common": 3, "rare": 1})])
    assert (kinds[chosen] == "rare").sum() == 5


def test_outliers_and_groups_of_near_duplicates() -> None:
    vectors = np.concatenate(
        [points(50, 1) * 0.1, [[9, 9]], [[0.5, 0.5]] * 3, [[2, 2], [2.09, 2], [2.18, 2], [2.27, 2]]]
    )
    assert outliers(vectors, 1).argmax() == 50
    found = near_duplicates(vectors, 0.1)
    chains = [group.tolist() for group in found if group.min() > 50]
    assert chains == [[54, 55, 56, 57], [51, 52, 53]]
    many = np.concatenate([np.zeros((70, 2)), np.ones((3, 2)) * 5])  # more than are looked at first
    assert [len(group) for group in near_duplicates(many, 1e-3)] == [70, 3]
    assert near_duplicates(points(1, 0), 1) == []


@given(st.integers(2, 40), st.floats(0.05, 1.5), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_groups_are_the_connected_ones(rows: int, most: float, seed: int) -> None:
    vectors = points(rows, seed)
    near = np.linalg.norm(vectors[:, None].astype(float) - vectors[None], axis=2) <= most
    groups: list[set[int]] = []
    for row in range(rows):
        touched = [group for group in groups if any(near[row, other] for other in group)]
        groups = [group for group in groups if group not in touched] + [set().union({row}, *touched)]
    wanted = sorted(sorted(group) for group in groups if len(group) > 1)
    assert sorted(sorted(group.tolist()) for group in near_duplicates(vectors, most)) == wanted


def planted(rows: int, dim: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Unit vectors around random centres, with groups of near copies at up to 0.05, and ten strangers."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(rows // 8 + 1, dim))[np.arange(rows) // 8] + random.normal(size=(rows, dim))
    vectors[-10:] = 12 * random.normal(size=(10, dim))
    vectors[:-10] /= np.linalg.norm(vectors[:-10], axis=1, keepdims=True)
    vectors[-10:] /= np.linalg.norm(vectors[-10:], axis=1, keepdims=True) / 3
    free, groups = random.permutation(rows - 10), []
    for size in [300, 40, *[2] * 200, *[3] * 50]:
        group, free = free[:size], free[size:]
        step = random.normal(size=(size, dim))
        vectors[group] = vectors[group[0]] + 0.024 * step / np.linalg.norm(step, axis=1, keepdims=True)
        groups.append(tuple(sorted(group.tolist())))
    return vectors.astype(np.float32), groups


def test_a_graph_finds_all_planted_copies_and_strangers_and_says_that_it_is_one() -> None:
    vectors, groups = planted(21_000, 48)
    with pytest.warns(
        OmlzooWarning, match="near-duplicates: of 21,000 rows those are compared that a graph of neighbours"
    ):
        found = near_duplicates(vectors, 0.05)
    assert sorted(tuple(group.tolist()) for group in found) == sorted(groups)
    with pytest.warns(
        OmlzooWarning, match="outliers: of 21,000 rows .* their distances are exact; a pair may be missed"
    ):
        strange = outliers(vectors, 3)
    assert set(np.argsort(-strange)[:10].tolist()) == set(range(20_990, 21_000))
    middle = np.median([np.sort(np.linalg.norm(vectors - row, axis=1))[3] for row in vectors[:60]])
    for row in range(20_990, 21_000):
        exact = np.sort(np.linalg.norm(vectors.astype(float) - vectors[row], axis=1))[3]
        assert strange[row] == pytest.approx(exact / middle, rel=0.05)
    assert 0.9 < np.median(strange) < 1.1


def test_a_graph_of_few_rows_finds_what_all_pairs_do(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, groups = planted(1500, 12)
    for scale, offset in ((1.0, 0.0), (1e-9, 0.0), (1.0, 64.0)):
        moved = (vectors * np.float32(scale) + np.float32(offset)).astype(np.float32)
        one, other = (near_duplicates(moved, 0.05 * scale, exhaustive=exhaustive) for exhaustive in (False, True))
        assert [group.tolist() for group in one] == [group.tolist() for group in other]
    with monkeypatch.context() as patch:
        patch.setattr(outlier_detection, "KEPT", 50)
        assert sorted(tuple(group.tolist()) for group in near_duplicates(vectors, 0.05, exhaustive=False)) == sorted(
            groups
        )
    strange = outliers(vectors, 3), outliers(vectors, 3, exhaustive=False)
    top = np.argsort(-strange[0])[:10]
    assert set(np.argsort(-strange[1])[:10]) == set(top)
    np.testing.assert_allclose(strange[1][top], strange[0][top], rtol=0.1)
    assert outliers(np.ones((900, 3)), exhaustive=False).tolist() == [0] * 900
    assert outliers(vectors[:3], 2, exhaustive=False) == pytest.approx(outliers(vectors[:3], 2))


def test_kmeans_finds_what_was_made() -> None:
    centres = np.array([[0, 0], [10, 0], [0, 10]], dtype=np.float32)
    vectors = np.concatenate([centre + points(20 + 10 * i, i) for i, centre in enumerate(centres)])
    found = clusters(vectors, 3)
    assert [len(group) for group in found.members] == [40, 30, 20]
    assert np.abs(found.centres - centres[[2, 1, 0]]).max() < 0.6
    first = found.members[0]
    apart = np.linalg.norm(vectors[first] - found.centres[0], axis=1)
    assert (np.diff(apart) >= 0).all()


@pytest.mark.parametrize("scale", [2.0**-125, 2.0**-80, 2.0**-40, 2.0**40])
def test_choices_do_not_depend_on_the_scale(scale: float) -> None:
    vectors = np.concatenate([points(30, 0), points(30, 1) + 8])
    scaled = vectors * np.float32(scale)
    for objectives in ([Diversity(), Typicality(5)], [Diversity(least=0.5)], [Likeness(vectors[:2]), Typicality(3)]):
        wanted = choose(vectors, 12, objectives)
        for objective in objectives:
            if isinstance(objective, Diversity):
                objective.least *= scale
            if isinstance(objective, Likeness):
                objective.examples = scaled[:2]
        assert choose(scaled, 12, objectives).tolist() == wanted.tolist()
    np.testing.assert_allclose(outliers(scaled), outliers(vectors), rtol=1e-5)
    groups = [
        [group.tolist() for group in near_duplicates(each, most)]
        for each, most in ((vectors, 0.3), (scaled, 0.3 * scale))
    ]
    assert groups[0] == groups[1]
    found, wanted_clusters = clusters(scaled, 2), clusters(vectors, 2)
    assert [set(rows.tolist()) for rows in found.members] == [set(rows.tolist()) for rows in wanted_clusters.members]
    np.testing.assert_allclose(found.centres / scale, wanted_clusters.centres, rtol=1e-5)


def test_clusters_far_from_the_origin_are_found() -> None:
    vectors = np.concatenate([points(30, 0), points(30, 1) + 8]).astype(np.float32) / 64 + np.float32(4096)
    members = clusters(vectors, 2).members
    assert {tuple(sorted(rows.tolist())) for rows in members} == {tuple(range(30)), tuple(range(30, 60))}
    for rows, centre in zip(members, clusters(vectors, 2).centres, strict=True):
        np.testing.assert_allclose(centre, vectors[rows].astype(float).mean(axis=0), atol=1e-3)


def test_equal_rows_and_strange_kinds() -> None:
    same = np.ones((6, 2), np.float32)
    assert choose(same, 3, [Diversity(), Typicality(2)]).tolist() == [0, 1, 2]
    assert outliers(same).tolist() == [0] * 6
    kinds = ["a", "a\0", "b", "b", "b", "b"]
    assert set(choose(points(6, 0), 3, [Balance(kinds, 3)]).tolist()) >= {0, 1}
    for broken, message in (
        ([1, "1"] * 3, "kinds mix kinds"), (["a", None] * 3, "kinds: 3 are missing"), (["a"], r"kinds have the shape \(1,\)"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=message):
            choose(points(6, 0), 3, [Balance(broken, 3)])
    for target in ({"a": -1.0, "b": 3.0}, {"a": float("nan")}, {"b": float("inf")}):
        with pytest.raises(BadInput, match="target is .*; its shares are finite numbers of 0 or more"):
            choose(points(6, 0), 3, [Balance(kinds, 3, target)])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_rows_that_cannot_be_compared_are_named(value: float) -> None:
    vectors = points(8, 0)
    vectors[5, 1] = value
    for call in (
        lambda: choose(vectors, 2, [Diversity()]), lambda: outliers(vectors, 2), lambda: near_duplicates(vectors, 1.0),
        lambda: clusters(vectors, 2), lambda: choose(points(8, 0), 2, [Likeness(vectors)]),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="(vectors|examples): .*row (is row )?5"):
            call()
    with pytest.raises(BadInput, match="most is nan; it is a distance"):
        near_duplicates(points(8, 0), float("nan"))
    with pytest.raises(BadInput, match="finite numbers of at least 0"):
        choose(points(2, 0), 1, [Scores([1.0, np.inf])])


def test_wrong_wishes_are_refused() -> None:
    vectors = points(5, 0)
    for call, said in (
        (lambda: choose(vectors, 2, []), "there is no objective"),
        (lambda: choose(vectors, 0, [Diversity()]), "count is 0"),
        (lambda: choose(vectors * np.nan, 1, [Diversity()]), "NaN"),
        (lambda: choose(vectors, 1, [Scores([1, 2])]), "must be"),
        (lambda: choose(vectors, 1, [Scores([-1] * 5)]), "at least 0"),
        (lambda: choose(vectors, 1, [Balance(["a"] * 5, 1, {"b": 1})]), "none of the kinds"),
        (lambda: choose(vectors[:1], 1, [Typicality()]), "two rows"),
        (lambda: outliers(vectors, 5), "from 1 to 4"),
        (lambda: clusters(vectors, 6), "from 1 to the 5 rows"),
    ):
        with pytest.raises(BadInput, match=said):
            call()


def test_the_commands(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from toys import toy

    omlzoo.embed(toy("vit_toy", normalize=True), drawn).save(tmp_path / "e.parquet")
    arguments = ["select", tmp_path / "e.parquet", "-n", 12, "-o", tmp_path / "next.csv", "--balance", "split"]
    arguments += ["--html", tmp_path / "next.html"]
    assert main([str(each) for each in arguments]) == 0
    assert "12 of 160 pictures" in capsys.readouterr().out
    chosen = omlzoo.embed(toy("vit_toy"), tmp_path / "next.csv").table
    shown = re.findall(r'class="open" data-name="(.*?)"', (tmp_path / "next.html").read_text())
    assert [Path(name).name for name in shown] == [Path(name).name for name in chosen["path"]]
    assert len(chosen) == 12
    assert (chosen["split"] == "train").sum() == 6
    assert main(["tidy", str(tmp_path / "e.parquet"), "--clusters", "5", "--html", str(tmp_path / "t.html")]) == 0
    assert "kind" in capsys.readouterr().out
    page = (tmp_path / "t.html").read_text()
    assert "What is there" in page
    assert all(f"kind {number}" in page for number in range(1, 6))
    assert (
        main(["select", str(tmp_path / "e.parquet"), "-n", "2", "-o", str(tmp_path / "x.csv"), "--balance", "colour"])
        == 2
    )
    assert "has no 'colour'" in capsys.readouterr().err


def test_chosen_rows_come_back_exactly_whatever_their_labels_begin_with(tmp_path: Path) -> None:
    """A spreadsheet may take such a cell for a formula; docs/table.md says so, and what is written is the label."""
    from toys import toy

    labels = ['=cmd|" /C calc"!A0', "+1", "-1", "@SUM(A1)", "007", 'say "no"', "靴"]
    for number in range(len(labels)):
        Image.new("RGB", (8, 8), (number * 30, 0, 0)).save(tmp_path / f" {number}.png")
    frame = pd.DataFrame({"path": [f" {number}.png" for number in range(len(labels))], "label": labels})
    omlzoo.embed(toy("vit_toy", normalize=True), frame, root=tmp_path).save(tmp_path / "e.parquet")
    out = tmp_path / f"{'n' * 236}.csv"  # 240 bytes; a name may have 255
    assert main(["select", str(tmp_path / "e.parquet"), "-n", str(len(labels)), "-o", str(out)]) == 0
    again = table.read(out, "embed")
    assert dict(zip(again.frame["path"], again.frame["label"], strict=True)) == {
        str(tmp_path / path): label for path, label in zip(frame["path"], labels, strict=True)
    }

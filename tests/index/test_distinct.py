"""The best row of each value, and things that are found somewhere in a picture, with their place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.cli import main
from omlzoo.cli.search_command import place_of
from omlzoo.errors import BadInput, UnknownName
from omlzoo.index.distinct import check_column, first_of_each
from omlzoo.index.index import Index


@pytest.mark.parametrize("own", [None, 2])
def test_the_first_of_each_value_is_that_of_a_loop(own: int | None) -> None:
    draw = np.random.default_rng(0)
    values = pd.Series(draw.choice(["a", "b", "c", "d", None], 40), dtype="str")
    ids = np.stack([draw.permutation(40)[:15] for _ in range(6)])
    ids[5, 9:] = -1
    scores = -np.sort(draw.random((6, 15)), axis=1)
    mine = None if own is None else [np.array([own])] * 6
    found = first_of_each(values, scores, ids, 4, mine)
    for query in range(6):
        seen = set() if own is None else {values[own]}
        wanted = []
        for score, row in zip(scores[query], ids[query], strict=True):
            if row >= 0 and (pd.isna(values[row]) or values[row] not in seen):
                seen.add(values[row])
                wanted.append((score, row))
        wanted = wanted[:4]
        assert found[1][query, : len(wanted)].tolist() == [row for _, row in wanted]
        assert found[0][query, : len(wanted)].tolist() == [score for score, _ in wanted]
        assert (found[1][query, len(wanted) :] == -1).all()
    assert first_of_each(values, scores, ids, 15)[2]
    assert not first_of_each(values, scores[5:, :], ids[5:], 15)[2], "its list does not go on"


@pytest.mark.parametrize("options", [{}, {"combine": "any"}, {"combine": "all"}, {"rerank": "reciprocal"}])
def test_lists_grow_until_they_have_enough_values(options: dict[str, str]) -> None:
    draw = np.random.default_rng(0)
    vectors = np.concatenate([0.01 * draw.normal(size=(150, 3)), 1 + draw.normal(size=(50, 3))]).astype(np.float32)
    index = omlzoo.build_index(vectors, table=pd.DataFrame({"kind": ["same"] * 150 + [f"k{i}" for i in range(50)]}))
    hits = index.search(vectors[:2], k=5, distinct="kind", candidates=200, **options)  # type: ignore[arg-type]
    whole = index.search(vectors[:2], k=200, candidates=200, **options)  # type: ignore[arg-type]
    for mine, every in zip(hits.ids, whole.ids, strict=True):
        first = [every[0], *(row for row in every if row >= 150)][:5]
        assert mine.tolist() == first
    few = index.search(vectors[:1], k=60, distinct="kind")
    assert (few.ids[0] >= 0).sum() == 51
    with pytest.raises(UnknownName, match="the table has no 'knd'"):
        index.search(vectors[:1], distinct="knd")
    check_column(index.embeddings.table, "kind")


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Index]:
    """Eight boards of four drawings each, indexed with parts, and the drawings as files of their own."""
    folder = tmp_path_factory.mktemp("boards")
    draw = np.random.default_rng(0)
    for board in range(8):
        whole = Image.new("RGB", (96, 96))
        for place in range(4):
            blots = draw.integers(0, 255, (5, 5, 3)).astype(np.uint8)
            tile = Image.fromarray(blots).resize((48, 48), Image.Resampling.NEAREST)
            tile.save(folder / f"tile {board} {place}.png")
            whole.paste(tile, (48 * (place % 2), 48 * (place // 2)))
        (folder / "boards").mkdir(exist_ok=True)
        whole.save(folder / "boards" / f"{board}.png")
    toy("resnet_toy").save(folder / "m")
    return folder, omlzoo.build_index(folder / "boards", model=str(folder / "m"), grid=3)


def test_what_is_in_a_part_is_found_with_its_place(boards: tuple[Path, Index], tmp_path: Path) -> None:
    folder, index = boards
    assert index.size == 8 * 10
    for board, place in ((0, 0), (3, 1), (5, 2), (7, 3)):
        hits = index.search(folder / f"tile {board} {place}.png", k=8, distinct="path").table()
        left, top = 48 * (place % 2), 48 * (place // 2)
        first = hits.iloc[0]
        assert first["path"] == f"{board}.png"
        assert [first[side] for side in ("x_1", "y_1", "x_2", "y_2")] == [left, top, left + 48, top + 48]
        assert sorted(hits["path"]) == [f"{number}.png" for number in range(8)]
    own = index.search(folder / "boards" / "2.png", k=8, distinct="path", exclude_self=True).table()
    assert sorted(own["path"]) == [f"{number}.png" for number in range(8) if number != 2]


def test_commands_embed_parts_and_tell_their_place(
    boards: tuple[Path, Index], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, index = boards
    embed = ["embed", str(folder / "m"), str(folder / "boards"), "--grid", "3", "-o"]
    assert main([*embed, str(tmp_path / "v.parquet")]) == 0
    assert main([*embed, str(tmp_path / "shards")]) == 0
    for out in ("v.parquet", "shards"):
        found = omlzoo.load_embeddings(tmp_path / out)
        np.testing.assert_allclose(found.vectors, index.embeddings.vectors, atol=1e-5)
    assert main(["index", str(tmp_path / "v.parquet"), "-o", str(tmp_path / "i")]) == 0
    capsys.readouterr()
    assert main(["search", str(tmp_path / "i"), str(folder / "tile 3 1.png"), "-k", "2", "--distinct", "path"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("3.png [48,0,96,48]")
    assert place_of({"path": "a.png", "x_1": float("nan"), "y_1": 1, "x_2": 2, "y_2": 3}) == ""
    assert place_of({"path": "a.png"}) == ""


def test_where_there_can_be_no_parts_a_grid_is_refused(boards: tuple[Path, Index]) -> None:
    _, index = boards
    with pytest.raises(BadInput, match="grid is for pictures that a model embeds"):
        omlzoo.build_index(index.embeddings, grid=3)
    with pytest.raises(BadInput, match="grid takes pictures that can be read twice"):
        omlzoo.embed(toy("resnet_toy"), (Image.new("RGB", (50, 50)) for _ in range(2)), grid=2)
    with pytest.raises(BadInput, match="grid is 1; it must be 2 to 16"):
        omlzoo.embed(toy("resnet_toy"), [Image.new("RGB", (50, 50))], grid=1)

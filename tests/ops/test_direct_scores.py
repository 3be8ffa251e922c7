"""Direct scores against a loop; of equal scores the lower position comes first."""

import pytest
import torch

from omlzoo.ops.direct_scores import NOBODY, best_candidates, scores_of

DRAW = torch.Generator().manual_seed(0)
QUERIES, GALLERY = torch.randn(3, 4, generator=DRAW), torch.randn(9, 4, generator=DRAW)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_scores_are_those_of_a_loop(similarity: str) -> None:
    found = scores_of(QUERIES, GALLERY.view(3, 3, 4), similarity)  # type: ignore[arg-type]
    for query in range(3):
        for place, row in enumerate(GALLERY.view(3, 3, 4)[query]):
            wanted = QUERIES[query] @ row if similarity == "cosine" else -(QUERIES[query] - row).norm()
            assert found[query, place] == pytest.approx(wanted.item(), abs=1e-6)


def test_candidates_are_ordered_by_their_scores_then_by_position_and_forbidden_ones_are_nobody() -> None:
    gallery = torch.cat([GALLERY[:2], GALLERY[:2]])  # rows 0 and 2, and 1 and 3, are equal
    candidates = torch.tensor([[3, 2, 1, 0]])
    allowed = torch.tensor([[0.0, 0.0, 0.0, -torch.inf]])  # row 0 must not be found
    scores, ids = best_candidates(QUERIES[:1], gallery, allowed, candidates, 4, "euclidean")
    near, far = sorted([2, 1], key=lambda row: float((QUERIES[0] - gallery[row]).norm()))
    wanted = [row for row in (near, far) for row in ([row] if row == 2 else [1, 3])]
    assert ids.tolist() == [[*wanted, NOBODY]]
    assert scores[0, -1] == -torch.inf


@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e-25, 1e-12, 1e15])
def test_distances_of_every_size_are_those_of_float64(size: float) -> None:
    rows, queries = (GALLERY.double() * size).float().view(3, 3, 4), (QUERIES.double() * size).float()
    rows[0, 0] = queries[0]
    wanted = -(rows.double() - queries.double()[:, None]).norm(dim=2)
    found = scores_of(queries, rows, "euclidean")
    assert found[0, 0] == 0
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=2e-45)

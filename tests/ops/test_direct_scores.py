"""Direct scores against a loop; of equal scores the lower position comes first."""

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.direct_scores import NOBODY, best_candidates, check_finite, scores_of

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


def test_rows_that_are_not_finite_are_named() -> None:
    with pytest.raises(BadInput, match="queries: 1 of 3 rows hold NaN or infinity, the first is row 1"):
        check_finite("queries", torch.tensor([[0.0], [torch.nan], [1.0]]))

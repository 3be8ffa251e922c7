"""What a student is taught: the teacher's term and the labels' by their weights, as one can compute by eye."""

import copy
from math import exp, log

import pandas as pd
import pytest
import torch
from torch import nn

from omlzoo.data.table import Table
from omlzoo.errors import BadInput
from omlzoo.losses import SimilarityDistillation, SupConLoss
from omlzoo.training import Recipe
from omlzoo.training.lesson import Known, Taught, label_codes, teaching_loss
from omlzoo.training.objective import Outputs

DRAW = torch.Generator().manual_seed(0)
VECTORS = torch.randn(8, 5, generator=DRAW)
CODES = torch.tensor([0, 0, -1, 1, 1, -1, -1, 0])
STUDENT = torch.randn(4, 3, generator=DRAW)
ROWS = torch.tensor([0, 7, 3, 2])


def outputs(student: torch.Tensor = STUDENT, rows: torch.Tensor = ROWS) -> Outputs:
    return Outputs([student], None, torch.zeros(len(rows), dtype=torch.long), rows)


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def softmax(values: list[float]) -> list[float]:
    powers = [exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def divergence(student: torch.Tensor, teacher: torch.Tensor, t: float, u: float, anchors: torch.Tensor | None) -> float:
    """The mean over rows of the divergence, in a loop."""
    total = 0.0
    for i in range(len(student)):
        ours = [(student[i], a) for a in anchors] if anchors is not None else [
            (student[i], student[j]) for j in range(len(student)) if j != i]  # fmt: skip
        theirs = [(teacher[i], a) for a in anchors] if anchors is not None else [
            (teacher[i], teacher[j]) for j in range(len(student)) if j != i]  # fmt: skip
        q = softmax([cosine(*pair) / t for pair in ours])
        p = softmax([cosine(*pair) / u for pair in theirs])
        total += sum(a * log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(student)


def test_the_teachers_term_of_the_rows_of_a_batch() -> None:
    taught = Taught(SimilarityDistillation(0.5, teacher_temperature=0.3, unscaled=True), Known(VECTORS, CODES), 1.0)
    assert taught(outputs()).item() == pytest.approx(divergence(STUDENT, VECTORS[ROWS], 0.5, 0.3, None), rel=1e-5)
    scaled = SimilarityDistillation(0.5, teacher_temperature=0.3)(STUDENT, VECTORS[ROWS])
    assert scaled.item() == pytest.approx(0.25 * taught(outputs()).item(), rel=1e-5)


def test_labels_have_the_rest_of_the_weight_and_rows_without_one_none() -> None:
    loss = SupConLoss(0.5)
    taught = Taught(SimilarityDistillation(0.5), Known(VECTORS, CODES), 0.25, loss=loss)
    alone = 0.25 * SimilarityDistillation(0.5)(STUDENT, VECTORS[ROWS])
    labelled = loss(STUDENT[:3], torch.tensor([0, 0, 1]))
    assert taught(outputs()).item() == pytest.approx(float(alone + 0.75 * labelled), rel=1e-6)
    assert {"divergence", "agreement"} <= set(taught.stats)
    only = taught(outputs(rows=torch.tensor([2, 5, 6, 2])))
    assert only.item() == pytest.approx(float(0.25 * SimilarityDistillation(0.5)(STUDENT, VECTORS[[2, 5, 6, 2]])))


def test_a_queue_is_of_the_teachers_vectors_and_drawn_anew_but_the_same_after_a_resume() -> None:
    head = nn.Linear(3, 5)
    loss = SimilarityDistillation(0.5, teacher_temperature=0.3, unscaled=True)
    taught = Taught(loss, Known(VECTORS, CODES), 1.0, queue=6, head=head, seed=3)
    state = copy.deepcopy(taught.state_dict())
    anchors = taught._anchors(VECTORS[ROWS])
    assert anchors is not None
    assert torch.equal(anchors[:4], VECTORS[ROWS])
    assert all(any(torch.equal(row, vector) for vector in VECTORS) for row in anchors[4:])
    taught.load_state_dict(state)
    placed = head(STUDENT).detach()
    value = taught(outputs())
    assert value.item() == pytest.approx(divergence(placed, VECTORS[ROWS], 0.5, 0.3, anchors), rel=1e-5)
    assert taught(outputs()).item() != value.item(), "the next step has others"
    value.backward()
    assert head.weight.grad is not None
    assert not any("vectors" in name for name in state), "what is on disk is not saved with the run"
    assert copy.deepcopy(taught).known.vectors is taught.known.vectors


def test_codes_of_labels_and_of_rows_without_one() -> None:
    frame = pd.DataFrame({"path": list("abcd"), "label": ["x", "", "y", "x"]})
    assert label_codes(Table(frame, None, "table")).tolist() == [0, -1, 1, 0]  # type: ignore[arg-type]


def test_what_the_teachers_arguments_may_be() -> None:
    assert [teaching_loss(Recipe(), rows)[1] for rows in (9, 5000)] == [9, 1024]
    loss, queue = teaching_loss(Recipe(teacher_args={"temperature": 0.2, "teacher_temperature": "none", "queue": 7}), 9)
    assert isinstance(loss, SimilarityDistillation)
    assert (loss.temperature, loss.teacher_temperature, loss.unscaled, queue) == (0.2, None, True, 7)
    for arguments, message in (
        ({"queue": 10}, "queue of teacher_args is 10; it must be a whole number from 0 to 9, the training rows"),
        ({"warmth": 1}, "teacher_args has 'warmth'; it takes temperature, regression"),
        ({"temperature": 0}, "temperature is 0; it must be above 0"),
        ({"temperature": "warm"}, "teacher_args .* do not suit SimilarityDistillation"),
    ):
        with pytest.raises(BadInput, match=message):
            teaching_loss(Recipe(teacher_args=arguments), 9)
    with pytest.raises(BadInput, match="anchors are compared with embeddings and teacher of the widths 3 and 5"):
        SimilarityDistillation()(STUDENT, VECTORS[:4], VECTORS)
    with pytest.raises(BadInput, match="give 2 or more vectors of the same teacher"):
        SimilarityDistillation()(VECTORS[:4], VECTORS[:4], VECTORS[:1])
    with pytest.raises(BadInput, match="first view; it is None"):
        Taught(SimilarityDistillation(), Known(VECTORS, CODES), 1.0)(Outputs([None], None, CODES, ROWS))

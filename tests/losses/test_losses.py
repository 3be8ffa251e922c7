"""Losses equal a loop one can check by eye and the peers' own values; every loss keeps the common promises."""

import inspect
import json
from typing import Any

import pytest
import torch
from places import DATA
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.losses import (
    ArcFaceLoss,
    BilinearInfoNCE,
    CircleLoss,
    ContrastiveClustering,
    ContrastiveLoss,
    CosFaceLoss,
    CrossBatch,
    HyperbolicContrastive,
    MultiSimilarityLoss,
    NTXentLoss,
    PatchContrast,
    ProtoNCE,
    ProxyAnchorLoss,
    SimilarityDistillation,
    SubCenterArcFaceLoss,
    SupConLoss,
    SurrogatePrecision,
    ThresholdConsistentMargin,
    TripletLoss,
    WeightedSum,
)  # fmt: skip
from omlzoo.memory import MemoryBank
from omlzoo.miners import AllTriplets, GivenTriplets, HardTriplets, MultiSimilarityPairs, StackedTriplets

WITHOUT_LABELS = {"SimilarityDistillation", "CLIPLoss", "SigLIPLoss"}  # called with a teacher, or with texts
LOSSES = sorted(set(catalog.names("losses")) - WITHOUT_LABELS)
CASES = json.loads((DATA / "oml_pml_triplet.json").read_text())["cases"]
DIM, LABELS = 6, 4


def make(name: str) -> nn.Module:
    """A loss with small settings; one that keeps means of labels has seen each label once and learns no more."""
    kind = catalog.find("losses", name)
    known: dict[str, Any] = {"dim": DIM, "n_labels": LABELS, "loss": NTXentLoss(), "memory": MemoryBank(8, DIM)}
    known["dims"] = (DIM, 3)
    known["losses"] = {SupConLoss(): 1.0, ThresholdConsistentMargin(): 0.5}
    torch.manual_seed(0)
    made: nn.Module = kind(**{key: value for key, value in known.items() if key in inspect.signature(kind).parameters})
    made(torch.randn(3 * LABELS, DIM), torch.arange(LABELS).repeat(3))
    return made.eval()


def batch(size: int = 12, seed: int = 0, dim: int = DIM) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=draw), torch.randint(0, LABELS, (size,), generator=draw)


def triplet_by_hand(embeddings: Tensor, labels: Tensor, margin: float | None, hard: bool) -> float:
    values = []
    for a in range(len(labels)):
        to = [float((embeddings[a] - e).norm()) for e in embeddings]
        positives = [to[i] for i in range(len(labels)) if i != a and labels[i] == labels[a]]
        negatives = [to[i] for i in range(len(labels)) if labels[i] != labels[a]]
        if hard and positives and negatives:
            positives, negatives = [max(positives)], [min(negatives)]
        for p in positives:
            for n in negatives:
                gap = torch.tensor(p - n)
                values.append(float(torch.log1p(gap.exp()) if margin is None else max(0.0, p - n + margin)))
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.2, 0.0, None])
@pytest.mark.parametrize("hard", [True, False])
def test_triplet_loss_equals_the_loop(hard: bool, margin: float | None, seed: int) -> None:
    embeddings, labels = batch(seed=seed)
    loss = TripletLoss(margin, HardTriplets() if hard else AllTriplets())
    assert loss(embeddings, labels).item() == pytest.approx(triplet_by_hand(embeddings, labels, margin, hard), rel=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.parametrize("miner", ["Hard", "All"])
@pytest.mark.parametrize("margin", [0.2, None])
def test_triplet_loss_equals_open_metric_learning(case: dict[str, Any], miner: str, margin: float | None) -> None:
    theirs = case["oml"][f"{miner}TripletsMiner/margin={margin}"]
    embeddings = torch.tensor(case["embeddings"], requires_grad=True)
    loss = TripletLoss(margin, HardTriplets() if miner == "Hard" else AllTriplets())
    value = loss(embeddings, torch.tensor(case["labels"]))
    assert value.item() == pytest.approx(theirs["value"], rel=2e-6)
    assert loss.stats["triplets"] == theirs["n_triplets"]
    if theirs.get("grad_embeddings"):
        value.backward()
        assert torch.allclose(embeddings.grad, torch.tensor(theirs["grad_embeddings"]), atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_triplet_loss_equals_pytorch_metric_learning(case: dict[str, Any]) -> None:
    embeddings, labels = torch.tensor(case["embeddings"]), torch.tensor(case["labels"])
    for key, miner in (("BatchHardMiner", HardTriplets()), ("all_triplets", AllTriplets())):
        wanted = case["pml"][f"{key}/MeanReducer/margin=0.2"]["value"]
        assert TripletLoss(0.2, miner)(embeddings, labels).item() == pytest.approx(wanted, rel=2e-6)


def test_the_soft_form_survives_large_gaps() -> None:
    embeddings = torch.tensor([[0.0], [500.0], [0.1]], requires_grad=True)
    value = TripletLoss(None)(embeddings, torch.tensor([0, 0, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_supcon_equals_the_loop(temperature: float, seed: int) -> None:
    embeddings, labels = batch(seed=seed)
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    values = []
    for a in range(len(labels)):
        others = [i for i in range(len(labels)) if i != a]
        positives = [i for i in others if labels[i] == labels[a]]
        total = sum(float((unit[a] @ unit[i] / temperature).exp()) for i in others)
        if positives:
            logs = [float(unit[a] @ unit[p] / temperature) - float(torch.tensor(total).log()) for p in positives]
            values.append(-sum(logs) / len(positives))
    found = SupConLoss(temperature)(embeddings, labels).item()
    assert found == pytest.approx(sum(values) / len(values), rel=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: TripletLoss(-0.1), "margin is -0.1; it must be 0 or more, or None for the soft form"),
    (lambda: TripletLoss(float("nan")), "margin is nan"),
    (lambda: SupConLoss(0), "temperature is 0; it must be above 0"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


PEERS = json.loads((DATA / "peers_losses.json").read_text())
GIVEN = torch.tensor(PEERS["embeddings"])
GIVEN_LABELS = torch.tensor(PEERS["labels"])
GIVEN_REFERENCES = torch.tensor(PEERS["ref_embeddings"]), torch.tensor(PEERS["ref_labels"])
N = 4  # labels of these


def with_weights(loss: nn.Module, name: str, values: list[Any]) -> nn.Module:
    setattr(loss, name, nn.Parameter(torch.tensor(values)))
    return loss


def like_the_peer(case: dict[str, Any]) -> nn.Module:
    """Our loss for a case of tests/data/peers_losses.json."""
    name = case["name"].removesuffix("/ref")
    arcface = {"margin": 0.5, "scale": 16.0}
    proxies, sub_proxies = PEERS["proxies"], PEERS["sub_proxies"]
    if name.startswith("surrogate"):
        return SurrogatePrecision(case["k"], case["t1"], case["t2"])
    if name == "arcface/oml/mlp":
        loss = ArcFaceLoss(DIM, N, mlp=[5, 4], **arcface)
        for layer, (weight, bias) in zip(loss.mlp[::2], case["mlp"], strict=True):
            layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
        return with_weights(loss, "weight", case["weight"])
    return {
        "contrastive/unit": lambda: ContrastiveLoss(0.1, 1.2),
        "multi_similarity": lambda: MultiSimilarityLoss(2, 50, 0.5),
        "multi_similarity/miner": lambda: MultiSimilarityLoss(2, 50, 0.5, MultiSimilarityPairs(0.1)),
        "circle": lambda: CircleLoss(0.4, 80),
        "circle/small": lambda: CircleLoss(0.25, 4),
        "ntxent": lambda: NTXentLoss(0.2),
        "supcon": lambda: SupConLoss(0.2),
        "tcm": lambda: ThresholdConsistentMargin(),
        "triplet/unit": lambda: TripletLoss(0.2, AllTriplets()),
        "proxy_anchor": lambda: with_weights(ProxyAnchorLoss(DIM, N, 0.1, 32), "proxies", proxies),
        "cosface/pml": lambda: with_weights(CosFaceLoss(DIM, N, 0.35, 16), "weight", proxies),
        "arcface/pml": lambda: with_weights(ArcFaceLoss(DIM, N, **arcface), "weight", proxies),
        "arcface/oml": lambda: with_weights(ArcFaceLoss(DIM, N, **arcface), "weight", proxies),
        "arcface/oml/smooth": lambda: with_weights(
            ArcFaceLoss(DIM, N, label_smoothing=0.2, **arcface), "weight", proxies
        ),
        "arcface/oml/category": lambda: with_weights(
            ArcFaceLoss(DIM, N, label_smoothing=0.2, categories=["a", "b", "a", "b"], **arcface), "weight", proxies
        ),
        "subcenter/pml": lambda: with_weights(SubCenterArcFaceLoss(DIM, N, **arcface), "weight", sub_proxies),
    }["circle/small" if case["name"] == "circle/ref" else name]()  # fmt: skip


@pytest.mark.parametrize("case", PEERS["cases"], ids=lambda case: case["name"])
def test_values_and_gradients_are_the_peers(case: dict[str, Any]) -> None:
    rows = GIVEN.clone().requires_grad_()
    references = GIVEN_REFERENCES if case["name"].endswith("/ref") else ()
    used, others = rows, references
    if "/unit" in case["name"]:  # PML divides by the norm itself
        used = nn.functional.normalize(rows)
        others = (nn.functional.normalize(references[0]), references[1]) if references else ()
    value = like_the_peer(case)(used, GIVEN_LABELS, *others)
    value.backward()
    assert value.item() == pytest.approx(case["value"], rel=3e-6)
    wanted = torch.tensor(case["grad"])
    assert float((rows.grad - wanted).abs().max()) <= 2e-5 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["TripletLoss", "SupConLoss", "NTXentLoss", "ContrastiveLoss", "MultiSimilarityLoss",
                                  "CircleLoss", "ThresholdConsistentMargin", "HyperbolicContrastive",
                                  "BilinearInfoNCE", "SurrogatePrecision"])  # fmt: skip
def test_the_batch_as_its_own_references_changes_nothing(name: str) -> None:
    embeddings, labels = batch()
    loss = make(name)
    wanted = loss(embeddings, labels)
    assert loss(embeddings, labels, embeddings, labels, 0).item() == pytest.approx(wanted.item(), rel=1e-6)
    strange, names = 1.01 * embeddings[:5], labels[:5] + 50  # near and of other labels: hard
    shifted = loss(embeddings, labels, torch.cat([strange, embeddings]), torch.cat([names, labels]), 5)
    assert shifted.item() != pytest.approx(wanted.item(), rel=1e-6)
    assert torch.isfinite(shifted)


@pytest.mark.parametrize(("references", "message"), [
    ((torch.ones(2, DIM), None), "give both or neither"),
    ((torch.ones(2, DIM + 1), torch.zeros(2)), "have 6 and 7 columns"),
    ((torch.full((2, DIM), torch.nan), torch.zeros(2)), "ref_embeddings: 2 of 2 rows hold NaN"),
    ((torch.ones(2, DIM), torch.zeros(2), 1), "own is 1; 12 rows from there do not lie in 2 references"),
])  # fmt: skip
def test_references_that_do_not_fit_are_refused(references: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        SupConLoss()(*batch(), *references)


def test_a_loss_with_proxies_refuses_references_and_strange_labels() -> None:
    embeddings, labels = batch()
    with pytest.raises(BadInput, match="ArcFaceLoss takes no references"):
        ArcFaceLoss(DIM, LABELS)(embeddings, labels, embeddings, labels)
    with pytest.raises(BadInput, match="labels lie between 0 and 9; this loss has 4 of them"):
        ArcFaceLoss(DIM, LABELS)(embeddings, torch.where(labels == 3, 9, labels))


def test_threshold_consistent_margin_by_hand() -> None:
    # The vectors, worked by hand: one hard positive pair, two hard negative ones, each counted in both directions.
    embeddings = torch.tensor([[0.0, 1.0], [0.43, 0.90], [1.0, 0.0], [0.5, 0.5]])
    loss = ThresholdConsistentMargin(0.9, 0.5)
    assert loss(embeddings, torch.tensor([0, 0, 1, 1])).item() == pytest.approx(0.1929 + 0.325, abs=1e-3)
    assert (loss.stats["hard_positives"], loss.stats["hard_negatives"]) == (2, 4)


def test_margins_come_from_quantiles() -> None:
    angles = torch.tensor([0.0, 0.1, 1.5, 1.7])
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    loss = ThresholdConsistentMargin()
    loss.set_margins(embeddings, torch.tensor([0, 0, 1, 1]), hard=0.5)
    assert loss.positive_margin == pytest.approx(
        float(torch.tensor(0.2).cos())
    )  # of cosines at 0.1 and 0.2 the lower half
    assert loss.negative_margin == pytest.approx(float(torch.tensor(1.5).cos()))  # of 1.4, 1.5, 1.6, 1.7 the upper half
    with pytest.raises(BadInput, match="pairs cross"):
        loss.set_margins(embeddings, torch.tensor([0, 1, 0, 1]), hard=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_hyperbolic_loss_equals_the_loop(seed: int) -> None:
    embeddings, labels = batch(10, seed=seed)
    c, t = 0.1, 0.2
    points = []
    for v in embeddings.double():
        v = v * min(1.0, 2.3 / (float(v.norm()) + 1e-5))
        points.append(torch.tanh(c**0.5 * v.norm()) * v / (c**0.5 * v.norm()))

    def moebius(x: Tensor, y: Tensor) -> Tensor:
        xy, xx, yy = x @ y, x @ x, y @ y
        return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c**2 * xx * yy + 1e-5)

    def distance(i: int, j: int) -> float:
        return float(2 / c**0.5 * torch.atanh(c**0.5 * moebius(-points[i], points[j]).norm()))

    values = []
    for a in range(10):
        negatives = [j for j in range(10) if labels[j] != labels[a]]
        for p in range(10):
            if p != a and labels[p] == labels[a]:
                logits = torch.tensor([-distance(a, p) / t] + [-distance(a, n) / t for n in negatives])
                values.append(float(logits.logsumexp(0) - logits[0]))
    assert HyperbolicContrastive()(embeddings, labels).item() == pytest.approx(sum(values) / len(values), rel=1e-4)


def test_bilinear_loss_folds_into_the_keys() -> None:
    loss = BilinearInfoNCE(DIM)
    queries, keys = torch.randn(2, 5, DIM)
    plain = torch.nn.functional.cross_entropy(queries @ keys.T, torch.arange(5))
    numbers = torch.arange(5)
    assert loss(queries, numbers, keys, numbers).item() == pytest.approx(
        plain.item(), rel=1e-5
    )  # the identity at first
    loss.weight.data = torch.randn(DIM, DIM)
    wanted = torch.nn.functional.cross_entropy(queries @ loss.weight @ keys.T, torch.arange(5))
    assert loss(queries, numbers, keys, numbers).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert torch.allclose(queries @ loss.fold(keys).T, queries @ loss.weight @ keys.T, atol=1e-5)


def test_patch_contrast_equals_the_loop_and_leaves_background_out() -> None:
    tokens, labels = batch(14, seed=2)
    labels[:3] = -1
    unit = tokens / tokens.norm(dim=1, keepdim=True)
    anchors = []
    for a in range(3, 14):
        negatives = [float((unit[a] @ unit[n] / 0.1).exp()) for n in range(3, 14) if labels[n] != labels[a]]
        positives = [float((unit[a] @ unit[p] / 0.1).exp()) for p in range(3, 14) if p != a and labels[p] == labels[a]]
        if positives and negatives:
            logs = [-float(torch.tensor(p / (p + sum(negatives))).log()) for p in positives]
            anchors.append(sum(logs) / len(logs))
    assert PatchContrast(views=None)(tokens, labels).item() == pytest.approx(sum(anchors) / len(anchors), rel=1e-4)


def test_patch_contrast_with_a_memory_equals_the_loop() -> None:
    """Anchors are of the batch, positives and negatives of the batch and of the memory."""
    loss = PatchContrast(views=None, regions=20, tokens=2, dim=DIM)
    past, names = batch(6, seed=4)
    loss.remember(past, names, torch.arange(6))
    assert loss.held is not None
    kept, codes = loss.held.references()
    tokens, labels = batch(8, seed=2)
    unit = tokens / tokens.norm(dim=1, keepdim=True)
    others, shown = torch.cat([unit, kept]), torch.cat([labels, codes])
    anchors = []
    for a in range(8):
        negatives = [float((unit[a] @ others[n] / 0.1).exp()) for n in range(len(others)) if shown[n] != labels[a]]
        same = [p for p in range(len(others)) if p != a and shown[p] == labels[a]]
        logs = []
        for p in same:
            positive = float((unit[a] @ others[p] / 0.1).exp())
            logs.append(-float(torch.tensor(positive / (positive + sum(negatives))).log()))
        if same and negatives:
            anchors.append(sum(logs) / len(logs))
    assert loss(tokens, labels).item() == pytest.approx(sum(anchors) / len(anchors), rel=1e-4)
    again = PatchContrast(views=None, regions=20, tokens=2, dim=DIM)
    again.load_state_dict(loss.state_dict())
    assert again(tokens, labels) == loss(tokens, labels)
    with pytest.raises(BadInput, match="a memory needs dim"):
        PatchContrast(regions=5)


def test_patch_contrast_takes_half_of_its_anchors_hard() -> None:
    axes = torch.eye(2)
    tokens = torch.cat([axes[[0] * 20], axes[[1] * 6], axes[[1] * 20]])  # 6 tokens of label 0 look like label 1
    labels = torch.tensor([0] * 26 + [1] * 20)
    loss = PatchContrast(views=8)
    hard = loss._hard(tokens, labels)
    assert hard.nonzero().flatten().tolist() == list(range(20, 26))
    chosen = loss._choose(labels, hard)
    assert [int((labels[chosen] == label).sum()) for label in (0, 1)] == [8, 8]
    assert int(hard[chosen].sum()) == 4
    again = PatchContrast(views=8)
    assert torch.equal(again._choose(labels, hard), PatchContrast(views=8)._choose(labels, hard))


def test_contrastive_clustering_equals_the_loop_and_moves_its_means() -> None:
    loss = ContrastiveClustering(2, 3, margin=2.0, momentum=0.5)
    first = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    value = loss(first, torch.tensor([0, 0, 2]))
    # means (1, 0) and (0, 1): own distances 1, 1, 0; others 2 - 1, 0 (they are sqrt 5 apart), 2 - sqrt 2
    assert value.item() == pytest.approx((1 + 1 + 0 + 1 + 0 + 2 - 2**0.5) / 6)
    assert loss.seen.tolist() == [True, False, True]
    loss(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert loss.means[0].tolist() == [2.0, 0.0]
    loss.eval()
    loss(torch.tensor([[9.0, 0.0]]), torch.tensor([0]))
    assert loss.means[0].tolist() == [2.0, 0.0]


def test_proto_nce_equals_the_loop() -> None:
    embeddings, labels = batch(30, seed=1)
    loss = ProtoNCE(DIM, LABELS, temperature=0.2).eval()
    loss.fit(embeddings, labels)
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    prototypes, spreads = [], []
    for label in range(LABELS):
        own = unit[labels == label]
        mean = own.mean(dim=0)
        spreads.append(float((own - mean).norm(dim=1).mean()) / float(torch.tensor(len(own) + 10.0).log()))
        prototypes.append(mean / mean.norm())
    low, high = torch.tensor(spreads).quantile(0.1), torch.tensor(spreads).quantile(0.9)
    phi = torch.tensor(spreads).clamp(low, high)
    phi = 0.2 * phi / phi.mean()
    assert torch.allclose(loss.concentrations(), phi, atol=1e-6)
    logits = unit @ torch.stack(prototypes).T / phi
    wanted = torch.nn.functional.cross_entropy(logits, labels)
    assert loss(embeddings, labels).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_similarity_distillation_equals_the_loop_and_is_least_for_the_teacher() -> None:
    draw = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(6, 4, generator=draw), torch.randn(6, 5, generator=draw)
    t, total = 0.1, 0.0
    for i in range(6):
        others = [j for j in range(6) if j != i]
        rows = [
            torch.stack([torch.cosine_similarity(x[i], x[j], dim=0) for j in others]) / t for x in (teacher, student)
        ]
        p, q = (row.softmax(0) for row in rows)
        total += float((p * (p / q).log()).sum())
    loss = SimilarityDistillation(t)
    assert loss(student, teacher).item() == pytest.approx(total / 6 * t**2, rel=1e-4)
    assert loss(teacher.clone(), teacher).item() == pytest.approx(0, abs=1e-6)
    assert loss.stats["agreement"] == 1
    with pytest.raises(BadInput, match="of the widths 4 and 5"):
        SimilarityDistillation(t, regression=1.0)(student, teacher)
    both = SimilarityDistillation(t, regression=2.0)(student, teacher[:, :4])
    plain = SimilarityDistillation(t)(student, teacher[:, :4])
    added = 2 * (1 - torch.cosine_similarity(student, teacher[:, :4])).mean()
    assert both.item() == pytest.approx(plain.item() + added.item(), rel=1e-5)
    single = loss(student[:1].requires_grad_(), teacher[:1])
    single.backward()
    assert (single.item(), loss.stats["empty_batches"]) == (0, 1)


def test_a_weighted_sum_adds_and_names_its_parts() -> None:
    embeddings, labels = batch()
    parts = SupConLoss(0.1), SupConLoss(0.5), TripletLoss()
    both = WeightedSum({parts[0]: 1.0, parts[1]: 0.25, parts[2]: 2.0})
    wanted = parts[0](embeddings, labels) + 0.25 * parts[1](embeddings, labels) + 2 * parts[2](embeddings, labels)
    assert both(embeddings, labels).item() == pytest.approx(wanted.item())
    assert {"SupConLoss1.anchors", "SupConLoss2.value", "TripletLoss.triplets", "empty_batches"} <= both.stats.keys()
    with pytest.raises(BadInput, match="give at least one"):
        WeightedSum({})
    with pytest.raises(BadInput, match="weight of SupConLoss is -1"):
        WeightedSum({SupConLoss(): -1})


def test_a_memory_lengthens_the_batch_as_pytorch_metric_learnings_does() -> None:
    # PML compares with the memory, in which the batch itself stands already, without itself: as we do.
    loss = CrossBatch(ContrastiveLoss(0.1, 1.2), MemoryBank(40, DIM))
    for (rows, labels), wanted in zip(PEERS["cross_batch"]["batches"], PEERS["cross_batch"]["values"], strict=True):
        unit = nn.functional.normalize(torch.tensor(rows))
        assert loss(unit, torch.tensor(labels)).item() == pytest.approx(wanted, rel=1e-5)
    assert (loss.stats["memory"], loss.stats["staleness"]) == (24, 1)
    loss.eval()
    loss(unit, torch.tensor(labels))
    assert loss.stats["memory"] == 24
    with pytest.raises(BadInput, match="takes no references"):
        CrossBatch(ArcFaceLoss(DIM, LABELS), MemoryBank(4, DIM))


def test_triplets_may_be_given_or_stacked() -> None:
    a, p, n = torch.randn(3, 5, DIM)
    wanted = torch.relu((a - p).norm(dim=1) - (a - n).norm(dim=1) + 0.2).mean().item()
    stacked = torch.cat([a, p, n])
    labels = torch.zeros(15, dtype=torch.long)
    assert TripletLoss(0.2, StackedTriplets())(stacked, labels).item() == pytest.approx(wanted, rel=1e-5)
    places = torch.arange(15).view(3, 5)
    assert TripletLoss(0.2, GivenTriplets(*places))(stacked, labels).item() == pytest.approx(wanted, rel=1e-5)


# -- promises of every loss, present and future ------------------------------------------------------------------------


def test_there_are_losses() -> None:
    assert {"TripletLoss", "SupConLoss"} <= set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_a_scalar_with_finite_gradient_and_typed_stats(name: str) -> None:
    embeddings, labels = batch()
    embeddings.requires_grad_()
    loss = make(name)
    value = loss(embeddings, labels)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(embeddings.grad).all()
    assert embeddings.grad.abs().sum() > 0
    assert loss.stats
    assert all(isinstance(number, float) for number in loss.stats.values())


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    embeddings, labels = batch()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(5))
    loss = make(name)
    assert loss(embeddings[order], labels[order]).item() == pytest.approx(loss(embeddings, labels).item(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_right(name: str) -> None:
    if name == "CircleLoss":
        pytest.skip("its weights have no gradient by definition; the peer's gradient is compared instead")
    embeddings, labels = batch(8, seed=3)
    loss = make(name).double()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), embeddings.double().requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2]], ids=["one item", "one label", "all distinct"])
def test_a_degenerate_batch_is_finite_has_a_gradient_and_is_counted(name: str, labels: list[int]) -> None:
    embeddings = torch.randn(len(labels), DIM, requires_grad=True)
    loss = make(name)
    for _ in range(2):
        value = loss(embeddings, torch.tensor(labels))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(embeddings.grad).all()
    nothing_active = loss.stats.get("active") == 0.0
    assert value.item() != 0 or loss.stats["empty_batches"] == 2 or nothing_active


@pytest.mark.parametrize("name", LOSSES)
def test_equal_items_give_no_nan(name: str) -> None:
    embeddings = torch.ones(6, DIM, requires_grad=True)
    value = make(name)(embeddings, torch.tensor([0, 0, 1, 1, 2, 2]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_nan_is_refused_by_name(name: str) -> None:
    embeddings, labels = batch()
    embeddings[3, 1] = torch.nan
    with pytest.raises(BadInput, match="1 of 12 rows hold NaN or infinity"):
        make(name)(embeddings, labels)


WITH_TABLE = [name for name in LOSSES if "n_labels" in inspect.signature(catalog.find("losses", name)).parameters]


@pytest.mark.parametrize("name", [*WITH_TABLE, "CrossBatch"])
@pytest.mark.parametrize(("labels", "message"), [
    ([0.5, 1.5, 0, 0], "labels hold 0.5, which is no whole number"), ([0, torch.nan, 1, 1], "1 are NaN"), ([True, False, True, False], "labels are bool"),
    ([0, -1, 1, 1], "labels lie between -1 and 1"), ([0, LABELS, 1, 1], f"labels lie between 0 and {LABELS}"),
])  # fmt: skip
def test_a_table_of_labels_takes_only_its_own(name: str, labels: list[Any], message: str) -> None:
    if name == "CrossBatch" and "lie between" in message:
        pytest.skip("its memory holds any whole number")
    assert len(WITH_TABLE) >= 6
    with pytest.raises(BadInput, match=message):
        make(name).train()(batch(4)[0], torch.tensor(labels))


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_batch_gives_zero_with_a_graph(name: str) -> None:
    loss, nothing = make(name), torch.zeros(0, DIM, requires_grad=True)
    value = loss(nothing, torch.zeros(0, dtype=torch.long))
    value.backward()
    assert value.item() == 0
    assert nothing.grad.shape == (0, DIM)
    if catalog.find("losses", name) is not CrossBatch:
        assert loss.stats["empty_batches"] >= 1


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if getattr(catalog.find("losses", name), "references", False)]
)
def test_empty_references_give_zero(name: str) -> None:
    rows, labels = batch()
    value = make(name)(rows.requires_grad_(), labels, torch.zeros(0, DIM), torch.zeros(0, dtype=torch.long))
    value.backward()
    assert (value.item(), float(rows.grad.abs().sum())) == (0, 0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("broken", "message"), [(1e25, "a number of 1e\\+25"), (torch.nan, "NaN"), (-torch.inf, "NaN or infinity")]
)
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_that_is_refused_changes_nothing(name: str, broken: float, message: str, training: bool) -> None:
    loss, other = make(name).train(training), make(name).train(training)
    embeddings, labels = batch()
    spoiled = embeddings.clone()
    spoiled[5, 2] = broken
    with pytest.raises(BadInput, match=f"embeddings: .*{message}"):
        loss(spoiled, labels)
    with pytest.raises(BadInput, match="labels"):
        loss(embeddings, torch.full((12,), torch.nan))
    states = loss.state_dict(), other.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    assert loss(embeddings, labels).item() == other(embeddings, labels).item()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e15, 1e10, 1e-20, 1e-30, 1e-40])
def test_a_loss_is_finite_at_every_size(name: str, size: float) -> None:
    loss = make(name).train()
    for seed in range(2):  # again, with what it kept of the first
        embeddings, labels = batch(seed=seed)
        embeddings = (embeddings / embeddings.abs().max() * size).requires_grad_()
        value = loss(embeddings, labels)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(embeddings.grad).all()
        assert all(torch.isfinite(p.grad).all() for p in loss.parameters() if p.grad is not None)
        assert all(torch.isfinite(b).all() for b in loss.buffers())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_finite_and_close(name: str, kind: torch.dtype) -> None:
    embeddings, labels = batch()
    loss = make(name)
    wanted = loss(embeddings.to(kind).float(), labels).item()
    half = embeddings.to(kind).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, labels)
    value.backward()
    assert value.item() == pytest.approx(wanted, rel=2e-2)
    assert torch.isfinite(half.grad).all()


SHELVES = {**catalog.names("losses"), **catalog.names("miners"), "MemoryBank": MemoryBank}


@pytest.mark.parametrize("name", [*LOSSES, *sorted(WITHOUT_LABELS)])
def test_a_loss_is_printed_as_the_call_that_makes_it(name: str) -> None:
    kind = catalog.find("losses", name)
    loss = kind() if name in WITHOUT_LABELS else make(name)
    text = repr(loss)
    assert "\n" not in text
    assert text.startswith(f"{name}(")
    for setting in inspect.signature(kind).parameters.values():
        if isinstance(setting.default, int | float | str) and setting.default is not False:
            assert f"{setting.name}={setting.default!r}" in text
    sizes = {"dim": DIM, "n_labels": LABELS}
    assert all(f"{setting}={sizes[setting]}" in text for setting in inspect.signature(kind).parameters.keys() & sizes)
    assert repr(eval(text, dict(SHELVES))) == text


@pytest.mark.parametrize("text", [
    "TripletLoss(margin=0.3, miner=HardTriplets())",
    "TripletLoss(margin=None, miner=NHardTriplets(n_positive=(2, 5), n_negative=3), gather=True)",
    "MultiSimilarityLoss(alpha=3.0, beta=40.0, base=0.4, pair_miner=MultiSimilarityPairs(epsilon=0.2))",
    "ArcFaceLoss(dim=6, n_labels=4, margin=0.4, scale=32.0, label_smoothing=0.1, mlp=[5, 4])",
    "SubCenterArcFaceLoss(dim=6, n_labels=4, margin=0.4, scale=32.0, sub_centers=2, label_smoothing=0.1)",
    "HyperbolicContrastive(temperature=0.1, curvature=0.2, clip=None)",
    "PatchContrast(temperature=0.2, views=None, seed=7, regions=0, tokens=10)",
    "SurrogatePrecision(k=(1, 5), temperature1=2.0, temperature2=0.1)",
    "SimilarityDistillation(temperature=0.2, regression=1.5, gather=True)",
    "CrossBatch(loss=NTXentLoss(temperature=0.2), memory=MemoryBank(size=8, dim=6, per_label=2), after=3)",
    "WeightedSum(losses={SupConLoss(temperature=0.2): 1.0, CircleLoss(margin=0.3, scale=40.0): 0.5})",
])  # fmt: skip
def test_other_settings_are_printed_too(text: str) -> None:
    assert repr(eval(text, dict(SHELVES))) == text


def test_what_has_no_short_form_is_printed_by_its_kind() -> None:
    assert repr(TripletLoss(margin=0.3)) == "TripletLoss(margin=0.3, miner=HardTriplets())"
    assert "categories=<2 categories>" in repr(ArcFaceLoss(DIM, LABELS, categories=["a", "b", "a", "b"]))
    layers = nn.Sequential(nn.Linear(1, 1))  # its own text has several lines
    assert repr(WeightedSum({layers: 1.0})).startswith("WeightedSum(losses={Sequential( (0): Linear(")


# -- the authors' own code, run once; origins are in the file ---------------------------------------------------------

AUTHORS = {case["name"]: case for case in json.loads((DATA / "authors_losses.json").read_text())["cases"]}


def numbers(case: str, part: str, name: str) -> Tensor:
    return torch.tensor(AUTHORS[case][part][name], dtype=torch.float64)


def test_the_hyperbolic_loss_is_hyp_vits() -> None:
    name = "hyp_metric_contrastive_loss"
    rows = torch.cat([numbers(name, "inputs", "v"), numbers(name, "inputs", "w")]).requires_grad_()
    value = HyperbolicContrastive(0.2, 0.1, 2.3)(rows, torch.arange(8).repeat(2))
    value.backward()
    assert value.item() == pytest.approx(AUTHORS[name]["outputs"]["loss_mean"], rel=1e-6)
    wanted = torch.cat([numbers(name, "outputs", "grad_sum_v"), numbers(name, "outputs", "grad_sum_w")]) / 2
    assert torch.allclose(rows.grad, wanted, rtol=1e-5, atol=1e-7)


def test_the_bilinear_logits_are_curls() -> None:
    name = "curl_compute_logits"
    queries, keys = numbers(name, "inputs", "z_a"), numbers(name, "inputs", "z_pos")
    loss = BilinearInfoNCE(4).double()
    loss.weight.data = numbers(name, "inputs", "W")
    logits = queries @ loss.fold(keys).T
    assert torch.allclose(logits - logits.amax(dim=1, keepdim=True), numbers(name, "outputs", "logits"), atol=1e-7)
    found = loss(queries, torch.arange(6), keys, torch.arange(6))
    assert found.item() == pytest.approx(AUTHORS[name]["outputs"]["cross_entropy"], rel=1e-6)


def test_concentrations_are_pcls() -> None:
    case = AUTHORS["pcl_density"]
    loss = ProtoNCE(4, 5, temperature=0.2)
    loss.fit(numbers("pcl_density", "inputs", "features").float(), torch.tensor(case["inputs"]["assignments"]))
    assert torch.allclose(loss.concentrations().double(), numbers("pcl_density", "outputs", "density"), rtol=1e-5)
    wanted = numbers("pcl_density", "outputs", "centroids_normalised")
    assert torch.allclose(loss.prototypes.double(), wanted, atol=1e-6)


def test_patch_contrast_is_contrastive_segs() -> None:
    name = "contrastiveseg_contrastive"
    tokens = numbers(name, "inputs", "X_")
    labels = torch.tensor(AUTHORS[name]["inputs"]["y_"]).repeat_interleave(tokens.shape[1])
    value = PatchContrast(0.1, views=None)(tokens.flatten(0, 1), labels)
    factor = 0.1 / 0.07  # the authors multiply by temperature / base temperature
    assert factor * value.item() == pytest.approx(AUTHORS[name]["outputs"]["loss"], rel=1e-6)


def test_ntxent_is_lightlys() -> None:
    name = "lightly_ntxent"
    rows = torch.cat([numbers(name, "inputs", "out0"), numbers(name, "inputs", "out1")])
    value = NTXentLoss(0.5)(rows, torch.arange(5).repeat(2))
    assert value.item() == pytest.approx(AUTHORS[name]["outputs"]["loss"], rel=1e-6)

"""Two processes compute what one computes over the whole batch: every loss and objective, the memory, the samplers."""

import json
import os
import subprocess
import sys

import pytest
import torch

from omlzoo.ops.all_gather import gather, processes

WORKER = """
import inspect, json, sys
from pathlib import Path
import torch
from torch import distributed as dist
from omlzoo import catalog
from omlzoo.losses import CrossBatch, ContrastiveLoss, MatryoshkaLoss, SupConLoss, ThresholdConsistentMargin, WeightedSum
from omlzoo.memory import MemoryBank

rank, folder = int(sys.argv[1]), sys.argv[2]
alone = rank < 0
if not alone:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
DIM, LABELS = 6, 3
draw = torch.Generator().manual_seed(0)
batches = [(torch.randn(9, DIM, generator=draw), torch.randint(0, LABELS, (9,), generator=draw)) for _ in range(2)]
share = slice(None) if alone else slice(0, 5) if rank == 0 else slice(5, 9)  # unequal shares

def make(name):
    torch.manual_seed(1)
    if name == "CrossBatch":
        return CrossBatch(ContrastiveLoss(), MemoryBank(7, DIM, gather=True))
    if name == "MatryoshkaLoss":
        return MatryoshkaLoss(SupConLoss(gather=True), (DIM, 2))
    if name == "WeightedSum":
        return WeightedSum({SupConLoss(gather=True): 1.0, ThresholdConsistentMargin(gather=True): 0.5})
    kind = catalog.find("losses", name)
    known = {"dim": DIM, "n_labels": LABELS, "gather": True}
    return kind(**{key: value for key, value in known.items() if key in inspect.signature(kind).parameters})

found = {}
for name in sorted(catalog.names("losses")):
    loss, values, gradients = make(name), [], []
    for rows, labels in batches:
        own = rows[share].clone().requires_grad_()
        second = rows[share].flip(1) if name in {"SimilarityDistillation", "CLIPLoss", "SigLIPLoss"} else labels[share]
        loss.zero_grad()
        value = loss(own, second)
        value.backward()
        values.append(value.item())
        gradients.append(own.grad.tolist())
    parameters = {key: p.grad.tolist() for key, p in loss.named_parameters() if p.grad is not None}
    found[name] = {"values": values, "gradients": gradients, "parameters": parameters}

def make_objective(name):
    torch.manual_seed(1)
    kind = catalog.find("objectives", name)
    known = {"dim": DIM, "hidden": 8, "predictor_hidden": 8, "bottleneck": 4, "queue": 12, "prototypes": 5, "gather": True,
             "patches": 2, "pixels": 4, "heads": 2, "depth": 1,
             "koleo": 0.1, "queue_from": 0.0, "warmup": 0.0, **({"prototypes": (2, 3)} if name == "PCL" else {})}
    made = kind(DIM, **{key: value for key, value in known.items() if key in inspect.signature(kind).parameters})
    made.begin_epoch(torch.randn(20, DIM, generator=torch.Generator().manual_seed(5)), torch.arange(20))
    return made

ids = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 0])  # one picture is in both shares
for name in sorted(catalog.names("objectives")):
    objective, values, gradients = make_objective(name), [], []
    columns = {"DINO": 5 + DIM, "DenseCL": DIM + 2 * 2 * DIM, "IBOT": 5 + DIM + 2 * 5 + 2, "MAE": DIM + 2 * 2 * 4}
    columns = columns.get(name, DIM)
    for step in range(3):
        objective.begin_step(step, 10)
        student = [torch.randn(9, columns, generator=draw)[share].requires_grad_() for _ in range(2)]
        teacher = [torch.randn(9, columns, generator=draw)[share] for _ in range(2)][: objective.teacher_views]
        objective.zero_grad()
        value = objective(student, teacher, ids[share])
        value.backward()
        values.append(value.item())
        gradients.append(student[1].grad.tolist())
    parameters = {key: p.grad.tolist() for key, p in objective.named_parameters() if p.grad is not None}
    found["objective " + name] = {"values": values, "gradients": gradients, "parameters": parameters}
Path(f"{folder}/{rank}.json").write_text(json.dumps(found))
if not alone:
    dist.destroy_process_group()  # its threads, left to the end, abort the process now and then
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What one process found with the whole batches, and what two found with their shares."""
    folder = tmp_path_factory.mktemp("gathering")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(folder)], env=environment, stderr=subprocess.PIPE
        )
        for rank in (-1, 0, 1)
    ]
    for child in children:
        _, error = child.communicate(timeout=120)
        assert child.returncode == 0, error.decode()[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (-1, 0, 1)]


def test_every_loss_and_objective_equals_one_process_with_the_whole_batch(runs: list[dict]) -> None:
    whole, first, second = runs
    assert len(whole) >= 32
    for name, wanted in whole.items():
        for part in (first, second):
            assert part[name]["values"] == pytest.approx(wanted["values"], rel=1e-5), name
            for key, gradient in wanted["parameters"].items():
                assert torch.allclose(torch.tensor(part[name]["parameters"][key]), torch.tensor(gradient), atol=1e-6), (
                    name
                )
        for step in range(len(wanted["values"])):
            # Each process has twice the gradient of its own rows, which DistributedDataParallel's mean halves.
            found = torch.tensor(first[name]["gradients"][step] + second[name]["gradients"][step]) / 2
            wanted_rows = torch.tensor(wanted["gradients"][step])
            assert torch.allclose(found, wanted_rows, rtol=1e-4, atol=1e-6), (name, step)


def test_alone_nothing_happens() -> None:
    rows, labels = torch.ones(2, 3), torch.zeros(2)
    assert processes() == 1
    assert gather(rows, labels) == (rows, labels)

"""Small extractors with entries, for tests."""

from dataclasses import replace
from typing import Any

import torch

from omlzoo import catalog
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.weights import Weights
from omlzoo.data.preprocess import Preprocess
from omlzoo.models._extractor import Extractor

PREPROCESS = Preprocess(
    resize=(36, 36), mode="cover", crop=(32, 32), interpolation="bilinear", antialias=True, pad=None,
    mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25),
)  # fmt: skip


def toy_entry(arch: str = "resnet_toy", **changes: Any) -> Entry:
    """A whole entry of a toy architecture."""
    model = catalog.find("models", arch)()
    entry = Entry(
        name=f"{arch}_test", family="toys", arch=arch, arch_args={}, dim=model.dim,
        params=sum(parameter.numel() for parameter in model.parameters()), repo=None, revision=None, file=None,
        sha256=None, size=None, mirrors=(), layout=None, upstream=None, preprocess=PREPROCESS, preprocess_oml=None, normalize=False,
        metrics=(), license="mit", commercial=True, gated=False, citation=None, source="tests", fingerprint=None, notes=None, calibration=None,
    )  # fmt: skip
    return replace(entry, **changes)


def toy(arch: str, seed: int = 0, normalize: bool = False) -> Extractor:
    """The architecture with random weights of a seed, in eval mode, knowing its entry."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Extractor = catalog.find("models", arch)(normalize=normalize)
    model.weights = Weights(toy_entry(arch, normalize=normalize))
    return model.eval()

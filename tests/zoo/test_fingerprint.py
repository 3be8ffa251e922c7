"""The same picture everywhere, and a difference where a model computes something else."""

import hashlib

import numpy as np
import pytest
import torch
from toys import toy

from omlzoo.errors import WeightsMismatch
from omlzoo.zoo import fingerprint


def test_the_picture_is_the_same_on_every_machine() -> None:
    pixels = np.asarray(fingerprint.picture())
    assert pixels.shape == (256, 320, 3)
    # By the formula, one pixel in each part: the chessboard on the left, the waves, the disc.
    assert pixels[1, 1].tolist() == [(4 + 97) % 256, (3 + 97) % 256, 97]
    assert pixels[1, 300].tolist() == [303 % 256, 601 % 251, 300 // 64]
    assert pixels[128, 200].tolist() == [
        255 - (128 * 3 + 200) % 256,
        255 - (128 + 400) % 251,
        255 - (128 * 200 // 64) % 256,
    ]
    assert (
        hashlib.sha256(pixels.tobytes()).hexdigest()
        == hashlib.sha256(np.asarray(fingerprint.picture()).tobytes()).hexdigest()
    )


def test_a_fingerprint_is_the_beginning_of_the_unit_embedding() -> None:
    model = toy("resnet_toy")
    with torch.inference_mode():
        embedding = model(model.transforms()(fingerprint.picture())[None])[0]
    wanted = (embedding / embedding.norm())[: fingerprint.LENGTH].tolist()
    assert fingerprint.fingerprint(model) == pytest.approx(wanted, abs=1e-6)
    assert len(fingerprint.fingerprint(toy("vit_toy"))) == 16  # its embedding is shorter


def test_other_weights_and_other_mathematics_are_seen() -> None:
    model = toy("vit_toy")
    expected = fingerprint.fingerprint(model)
    assert fingerprint.check(model, expected, "x") < 1e-6
    with pytest.raises(WeightsMismatch, match="x: its fingerprint is off by"):
        fingerprint.check(toy("vit_toy", seed=1), expected, "x")
    with pytest.raises(WeightsMismatch, match="16 values, that of the entry 15"):
        fingerprint.check(model, expected[1:], "x")
    for block in model.blocks:  # type: ignore[union-attr]
        block.mlp.act = torch.nn.ReLU()
    with pytest.raises(WeightsMismatch, match="off by"):
        fingerprint.check(model, expected, "x")

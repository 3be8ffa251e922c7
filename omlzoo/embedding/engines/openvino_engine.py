"""The exported model, by OpenVINO."""

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.checkpoints import cache
from omlzoo.embedding.engines._engine import check_on_cpu
from omlzoo.embedding.hardware import cores
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.exporting import kept_onnx

__all__ = ["OpenVinoEngine"]

HINTS = {"fp32": "f32", "bf16": "bf16"}  # how OpenVINO calls them


class OpenVinoEngine:
    """A model computed by OpenVINO, each call on one core, so callers make as many at once as they want to use.

    Args:
        model: The extractor; it is exported and compiled at its first use, and both are kept.
        precision: "fp32" or "bf16".
        device: The CPU.

    Raises:
        BadInput: Another device, or a processor for which OpenVINO has no such precision.
        WeightsMismatch: The exported model computes something else than the model.
        MissingExtra: openvino, or what exports the model, is not installed.
    """

    def __init__(self, model: Extractor, precision: str, device: torch.device) -> None:
        check_on_cpu(precision, device, tuple(HINTS), "openvino")
        core = catalog.optional("openvino", "openvino").Core()
        config = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],  # its own default is bfloat16 where there is any
            "NUM_STREAMS": cores(),
            "INFERENCE_NUM_THREADS": cores(),
        }
        with kept_onnx(model) as path:
            if path.parent == cache.home() / "engines":  # a file that stays: so does what is compiled from it
                config["CACHE_DIR"] = str(path.parent / "openvino")
            self._compiled: Any = core.compile_model(str(path), "CPU", config)
        found = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if found != HINTS[precision]:
            raise BadInput(f"OpenVINO computes in {found} on this processor, not in {precision}; give precision fp32")
        self._threads = threading.local()

    def __call__(self, images: Tensor) -> Tensor:
        """As in :class:`Engine`."""
        if not hasattr(self._threads, "request"):  # a request holds the numbers of one call
            self._threads.request = self._compiled.create_infer_request()
        found = self._threads.request.infer({0: images.contiguous().numpy()}, share_inputs=True)
        return torch.from_numpy(np.array(next(iter(found.values()))))

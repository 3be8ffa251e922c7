"""The exported model, by OpenVINO."""

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.checkpoints import cache
from omlzoo.embedding.engines._engine import check_on_cpu
from omlzoo.embedding.engines._int8_file import int8_digest, int8_file
from omlzoo.embedding.hardware import cores, has_bf16
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.exporting import kept_onnx

__all__ = ["OpenVinoEngine"]

HINTS = {"fp32": "f32", "bf16": "bf16"}  # how OpenVINO calls them


class OpenVinoEngine:
    """A model computed by OpenVINO, each call on one core, so callers make as many at once as they want to use.

    Args:
        model: The extractor; it is exported and compiled at its first use, and both are kept.
        precision: "fp32", "bf16", or "int8": the calibrated model that is kept for this one.
        device: The CPU.
        file: A calibrated model to compute in its place, with ``precision="int8"``.

    Attributes:
        calibrated: What tells the int8 model from another one; None in other precisions.

    Raises:
        BadInput: Another device, a processor for which OpenVINO has no such precision, or no calibrated model is kept.
        WeightsMismatch: The exported model computes something else than the model.
        MissingExtra: openvino, or what exports the model, is not installed.
    """

    def __init__(self, model: Extractor, precision: str, device: torch.device, file: Path | None = None) -> None:
        check_on_cpu(precision, device, (*HINTS, "int8"), "openvino")
        core = catalog.optional("openvino", "openvino").Core()
        file = file or int8_file(model)
        self.calibrated = int8_digest(file) if precision == "int8" else None
        if precision == "int8" and self.calibrated is None:
            raise BadInput(f"no int8 model of {model.entry.name} is in {cache.home()}; one is calibrated where "
                           "64 pictures or more are embedded with precision int8")  # fmt: skip
        within = "bf16" if precision == "int8" and has_bf16(device) else "fp32" if precision == "int8" else precision
        config = {
            "INFERENCE_PRECISION_HINT": HINTS[within],  # its own default is bfloat16 where there is any
            "NUM_STREAMS": cores(),
            "INFERENCE_NUM_THREADS": cores(),
        }
        with nullcontext(file) if precision == "int8" else kept_onnx(model) as path:
            if cache.home() / "engines" == path.parent:  # a file that stays: so does what is compiled from it
                config["CACHE_DIR"] = str(path.parent / "openvino")
            self._compiled: Any = core.compile_model(str(path), "CPU", config)
        found = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if found != HINTS[within]:
            raise BadInput(f"OpenVINO computes in {found} on this processor, not in {precision}; give precision fp32")
        self._threads = threading.local()

    def __call__(self, images: Tensor) -> Tensor:
        """As in :class:`Engine`."""
        if not hasattr(self._threads, "request"):  # a request holds the numbers of one call
            self._threads.request = self._compiled.create_infer_request()
        found = self._threads.request.infer({0: images.contiguous().numpy()}, share_inputs=True)
        return torch.from_numpy(np.array(next(iter(found.values()))))

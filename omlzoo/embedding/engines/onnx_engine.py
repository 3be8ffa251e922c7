"""The exported model, by ONNX Runtime."""

import numpy as np
import torch
from torch import Tensor

from omlzoo import catalog
from omlzoo.embedding.engines._engine import check_on_cpu
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.exporting import kept_onnx

__all__ = ["OnnxEngine"]


class OnnxEngine:
    """A model computed by ONNX Runtime, each call on one core, so callers make as many at once as they want to use.

    Args:
        model: The extractor; it is exported at its first use, and the file is kept.
        precision: "fp32".
        device: The CPU.

    Raises:
        BadInput: Another precision or device.
        WeightsMismatch: The exported model computes something else than the model.
        MissingExtra: onnx, onnxscript or onnxruntime is not installed.
    """

    def __init__(self, model: Extractor, precision: str, device: torch.device) -> None:
        check_on_cpu(precision, device, ("fp32",), "onnx")
        runtime = catalog.optional("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        with kept_onnx(model) as path:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, images: Tensor) -> Tensor:
        """As in :class:`Engine`."""
        return torch.from_numpy(np.asarray(self._session.run(None, {"images": images.contiguous().numpy()})[0]))

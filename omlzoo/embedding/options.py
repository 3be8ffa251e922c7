"""How images are decoded and a model computes: one set of options, the same wherever images are embedded."""

from dataclasses import dataclass
from typing import Literal, get_args

from omlzoo.data.preprocess import Profiles
from omlzoo.errors import BadInput

__all__ = ["ENGINES", "ComputeOptions", "Precision", "Profiles", "Runtime"]

Precision = Literal["auto", "fp32", "bf16", "int8"]
Runtime = Literal["auto", "torch", "onnx", "openvino"]
ENGINES = {"torch": "TorchEngine", "onnx": "OnnxEngine", "openvino": "OpenVinoEngine"}  # of omlzoo.embedding.engines


@dataclass(frozen=True)
class ComputeOptions:
    """How images are decoded and a model computes.

    Attributes:
        batch_size: Images that go through the model at once.
        precision: fp32, bf16, or auto: bf16 where a rehearsal with 64 pictures or more finds it at least 1.25 times as
            fast and as exact. int8, by OpenVINO: calibrated on 64 of the pictures or more, measured on others.
        workers: Threads; as many as there are cores by default.
        device: cpu, cuda, cuda:N, or auto: the model's own, or a GPU if there is one.
        fast: Decode large JPEGs at a smaller size: several times faster, and vectors that differ a little.
        runtime: torch, onnx (ONNX Runtime, on the CPU in float32), openvino (OpenVINO, on the CPU), or auto: the
            fastest of those installed, by the same rehearsal.
        icc: ignore, or srgb: convert pictures with a colour profile that is not sRGB to it.

    Raises:
        BadInput: A value breaks its rule.
    """

    batch_size: int = 32
    precision: Precision = "auto"
    workers: int | None = None
    device: str = "auto"
    fast: bool = False
    runtime: Runtime = "torch"
    icc: Profiles = "ignore"

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("workers", self.workers)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise BadInput(f"{name} is {value}; it must be at least 1")
        if self.precision not in get_args(Precision):
            raise BadInput(f"precision is {self.precision!r}; it must be auto, fp32, bf16 or int8")
        if self.runtime not in get_args(Runtime):
            raise BadInput(f"runtime is {self.runtime!r}; it must be auto, torch, onnx or openvino")
        if self.precision == "int8" and self.runtime not in ("auto", "openvino"):
            raise BadInput(f"precision int8 is computed by runtime openvino, not {self.runtime}; give that, or auto")
        if self.icc not in get_args(Profiles):
            raise BadInput(f"icc is {self.icc!r}; it must be ignore or srgb")

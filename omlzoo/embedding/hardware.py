"""What computes here: devices, cores, and whether they multiply bfloat16."""

import hashlib
import os
import platform
from pathlib import Path

import torch

from omlzoo.errors import BadInput

__all__ = ["cores", "device_of", "has_bf16", "multiplies_bf16", "processor"]


def device_of(name: str, own: torch.device, on_cpu: bool = False) -> torch.device:
    """The device of that name.

    Args:
        name: "cpu", "cuda", "cuda:N", or "auto": the model's own, or a GPU if there is one.
        own: The device of the model.
        on_cpu: Whether what computes can do so on a processor alone.

    Raises:
        BadInput: There is no such device.
    """
    if name == "auto":
        has_gpu = torch.cuda.is_available()
        return torch.device("cpu") if on_cpu else own if own.type != "cpu" or not has_gpu else torch.device("cuda")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"device is {name!r}; it must be auto, cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"device is {name!r}, but torch sees no GPU here; use cpu or auto")
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster whatever the model is: a GPU that multiplies it, or a processor with AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and _supports("_is_amx_tile_supported")


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware has instructions that multiply bfloat16, so that it can be faster; else it is emulated."""
    return multiplies_bf16(device) or (device.type == "cpu" and _supports("_is_avx512_bf16_supported"))


def processor(device: torch.device) -> str:
    """A text that differs between kinds of processors or GPUs."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo")
    kept: dict[str, str] = {}
    if lines.is_file():  # Linux; a virtual machine may hide the name, and then what it can do tells it apart
        for line in lines.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part"):
                kept.setdefault(name.strip(), value.strip())
    flags = hashlib.sha256(f"{sorted(kept.items())}".encode()).hexdigest()[:16]
    named = kept.get("model name") or platform.processor() or platform.machine()
    return f"{named}, {platform.machine()}, {flags}"


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _supports(question: str) -> bool:
    supported = getattr(torch.cpu, question, None)
    return supported is not None and bool(supported())

"""Training in several processes that torchrun starts: shared gradients, and shares of the rows to measure."""

import atexit
import os
from typing import Any

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from omlzoo.ops.all_gather import processes

__all__ = ["everyone", "from_first", "is_first", "join", "share_gradients", "share_model", "share_of_rows"]


def join(device: torch.device) -> torch.device:
    """Join the process group if torchrun started this process; returns the device that this process uses."""
    if "WORLD_SIZE" not in os.environ or not dist.is_available():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return device


def _leave() -> None:
    """Destroy the group at the end: threads of Gloo that still run then sometimes abort the process."""
    if dist.is_initialized() and dist.get_backend() == "gloo":
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is the one that writes files and gives notices."""
    return dist.get_rank() == 0 if processes() > 1 else os.environ.get("RANK", "0") == "0"


def share_model(model: nn.Module) -> nn.Module:
    """The model with gradients averaged over processes."""
    return model if processes() == 1 else DistributedDataParallel(model)


def share_gradients(model: nn.Module) -> None:
    """Average over processes gradients that each process computed by itself."""
    if processes() == 1:
        return
    for parameter in model.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad.div_(processes())


def share_of_rows(count: int) -> slice:
    """The slice of ``count`` rows that this process measures; all processes together measure each row once."""
    return slice(0, count) if processes() == 1 else slice(dist.get_rank(), count, dist.get_world_size())


def everyone(value: Any) -> list[Any]:
    """The values of all processes, in the order of their ranks."""
    if processes() == 1:
        return [value]
    values: list[Any] = [None] * processes()
    dist.all_gather_object(values, value)
    return values


def from_first(value: Any) -> Any:
    """The first process's value, in every process."""
    if processes() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]

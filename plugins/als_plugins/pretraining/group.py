"""The processes of a distributed pretraining: `torchrun` starts them, and they share each batch.

What they do is arranged so that a step of several processes is that of one with the same batch,
but for rounding: random numbers are drawn for the whole batch and each takes its rows of them, and
means and contrasts are over the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

__all__ = ["Group", "joined"]


@dataclass(frozen=True)
class Group:
    """One process among those that train together.

    Attributes:
        rank: which one this is; 0 writes the files.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, without gradient."""
        total = tensor.detach().clone()
        if self.size > 1:
            distributed.all_reduce(total)
        return total

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, in the order of the batch.

        Each process computes the same function of them; the gradient of its own rows is scaled so
        that the mean over the processes, which `average` takes, is that of one process.
        """
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(parts, tensor.detach().contiguous())
        if tensor.requires_grad:
            still = tensor.detach()
            parts[self.rank] = still + self.size * (tensor - still)
        return torch.cat(parts)

    def average(self, parameters: Iterable[nn.Parameter], numbers: Tensor) -> Tensor:
        """Averages gradients in place and, in the same message, some numbers.

        Returns:
            The numbers' means over the processes.
        """
        if self.size == 1:
            return numbers
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in gradients), numbers.to(torch.float32)])
        distributed.all_reduce(flat)
        flat /= self.size
        begin = 0
        for gradient in gradients:
            gradient.copy_(flat[begin : begin + gradient.numel()].view_as(gradient))
            begin += gradient.numel()
        return flat[begin:]

    def told(self, number: float) -> float:
        """Returns what the leading process says; every process has to call it."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64)
        distributed.broadcast(told, 0)
        return float(told)


@contextmanager
def joined() -> Iterator[Group]:
    """Joins the other processes where `torchrun` has started this one; else there is just one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or distributed.is_initialized():
        whole = distributed.is_initialized()
        rank = distributed.get_rank() if whole else 0
        yield Group(rank, distributed.get_world_size() if whole else 1)
        return
    distributed.init_process_group("gloo")
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()

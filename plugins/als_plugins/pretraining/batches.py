"""Batches in an order that is a function of seed and step, read ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.seeding import spread
from als_plugins.pretraining.group import Group
from als_plugins.pretraining.objectives import Clip

if TYPE_CHECKING:
    from als_plugins.experience.dataset import Window, Windows

__all__ = ["Order", "clip_of", "clips"]

AHEAD: Final = 2


class Order:
    """Which windows make up which batch: each epoch is a permutation of its own.

    Any step can be asked for at any time, so a training that goes on sees what it would have seen.
    """

    def __init__(self, windows: int, batch: int, seed: int) -> None:
        self.windows, self.batch, self.seed = windows, batch, seed
        self._epoch = -1
        self._permutation: NDArray[np.intp] = np.empty(0, np.intp)

    def __call__(self, step: int) -> NDArray[np.intp]:
        """The windows of a step, (batch,); what is left over at an epoch's end is left out."""
        epoch, place = divmod(step, self.windows // self.batch)
        if epoch != self._epoch:
            rng = np.random.default_rng(spread("pretraining order", self.seed, epoch))
            self._epoch, self._permutation = epoch, rng.permutation(self.windows)
        return self._permutation[place * self.batch :][: self.batch]


def clips(
    windows: Windows,
    order: Order,
    steps: range,
    group: Group,
    device: torch.device,
) -> Generator[Clip, None, None]:
    """This process's share of the batches of some steps, read ahead by a thread."""
    ready: queue.Queue[Clip | BaseException] = queue.Queue(AHEAD)
    ended = threading.Event()
    share = order.batch // group.size

    def put(item: Clip | BaseException) -> None:
        while not ended.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for step in steps:
                if ended.is_set():
                    return
                chosen = order(step)[group.rank * share :][:share]
                seed = spread("pretraining masks", order.seed, step)
                put(clip_of(windows.take(chosen), seed, group, device))
        except BaseException as error:  # It belongs to whoever waits for the batch.
            put(error)

    reader = threading.Thread(target=read, name="batches", daemon=True)
    reader.start()
    try:
        for _ in steps:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        reader.join()


def clip_of(window: Window, seed: int, group: Group, device: torch.device) -> Clip:
    """A window as tensors."""

    def tensor(array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return Clip(
        observation={key: tensor(array) for key, array in window.observation.items()},
        actions=tensor(window.actions),
        generator=torch.Generator().manual_seed(seed),
        group=group,
        last={key: tensor(array) for key, array in window.last.items()},
    )

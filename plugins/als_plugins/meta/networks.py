"""Small networks for few labels, and how one adapts to the examples of a task.

Weights are dictionaries, so that `torch.func` takes gradients of them for many tasks at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from als_plugins.meta.labelled import Tasks

__all__ = ["HEAD", "Inner", "Net", "TaskTensors", "Weights", "adapted", "cross_entropy", "right"]

Weights = dict[str, Tensor]

HEAD = "head."
"""What the names of the last layer's weights begin with."""


class Patches(nn.Module):
    """A convolution, 3 by 3 with stride 2, written as one product.

    With weights of its own for each task, a product is many times as fast on a CPU as Torch's
    grouped convolution.
    """

    def __init__(self, channels: int, made: int) -> None:
        """Makes the layer.

        Args:
            channels: that come in.
            made: that go out.
        """
        super().__init__()
        self.product = nn.Linear(9 * channels, made)

    def forward(self, pictures: Tensor) -> Tensor:
        """(rows, channels, n, n) to (rows, made, n / 2, n / 2)."""
        patches = nn.functional.unfold(pictures, 3, padding=1, stride=2)
        found: Tensor = self.product(patches.transpose(-1, -2)).transpose(-1, -2)
        side = (pictures.shape[-1] + 1) // 2
        return torch.unflatten(found, -1, (side, side))


class Pooled(nn.Module):
    """The mean and the largest of each channel: where in a picture something lies tells nothing."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(rows, channels, n, n) to (rows, 2 * channels)."""
        return torch.cat([pictures.mean((-1, -2)), pictures.amax((-1, -2))], -1)


class Net(nn.Module):
    """Layers that make features, and a last layer that makes an answer of them."""

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 64) -> None:
        """Makes the layers.

        Args:
            shape: of an input: (numbers,), or (channels, rows, columns).
            outputs: of the last layer.
            width: of the features.
        """
        super().__init__()
        if len(shape) == 1:
            parts: list[nn.Module] = [nn.Linear(shape[0], width), nn.ReLU()]
            size = width
        else:
            parts = [Patches(shape[0], 8), nn.ReLU(), Patches(8, 16), nn.ReLU(), Pooled()]
            size = 32
        self.body = nn.Sequential(*parts, nn.Linear(size, width), nn.ReLU())
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(rows, ...) to (rows, outputs)."""
        found: Tensor = self.head(self.body(inputs))
        return found

    def weights(self) -> Weights:
        """A copy of all weights, by name."""
        return {name: value.detach().clone() for name, value in self.named_parameters()}


@dataclass(frozen=True)
class TaskTensors:
    """`Tasks` as a network reads them.

    Attributes:
        support, query: (tasks, rows, ...).
        support_class, query_class: (rows,), the same in all tasks.
        ways, labels: as in `Tasks`.
    """

    support: Tensor
    query: Tensor
    support_class: Tensor
    query_class: Tensor
    ways: int
    labels: int

    @classmethod
    def of(cls, tasks: Tasks) -> TaskTensors:
        """Takes over arrays."""
        return cls(
            torch.from_numpy(tasks.support),
            torch.from_numpy(tasks.query),
            torch.from_numpy(tasks.support_class),
            torch.from_numpy(tasks.query_class),
            tasks.ways,
            tasks.labels,
        )


@dataclass(frozen=True)
class Inner:
    """How weights adapt to a task: gradient steps over all its examples.

    Attributes:
        steps: how many.
        rate: of each.
        head_only: whether only the last layer changes.
        second_order: whether gradients flow through the steps (MAML), or the steps count as given
            (its first order).
    """

    steps: int
    rate: float
    head_only: bool = False
    second_order: bool = False


def cross_entropy(answers: Tensor, classes: Tensor) -> Tensor:
    """The mean cross entropy of (rows, classes) with (rows,)."""
    return nn.functional.cross_entropy(answers, classes)


def adapted(
    net: nn.Module, weights: Mapping[str, Tensor], inputs: Tensor, classes: Tensor, inner: Inner
) -> Weights:
    """The weights after some steps on the examples of one task.

    Args:
        net: whose weights they are.
        weights: before.
        inputs: (rows, ...).
        classes: (rows,).
        inner: how.
    """

    def loss(changing: Weights, kept: Weights) -> Tensor:
        answers: Tensor = functional_call(net, {**kept, **changing}, (inputs,))
        return cross_entropy(answers, classes)

    now = dict(weights)
    changes = [name for name in now if name.startswith(HEAD) or not inner.head_only]
    for _ in range(inner.steps):
        changing = {name: now[name] for name in changes}
        slope: Weights = grad(loss)(changing, now)
        for name, value in slope.items():
            step = value if inner.second_order else value.detach()
            now[name] = now[name] - inner.rate * step
    return now


def right(
    net: nn.Module, weights: Mapping[str, Tensor], tasks: TaskTensors, inner: Inner
) -> Tensor:
    """Which part of each task's questions is answered rightly after adapting, (tasks,)."""

    def one(support: Tensor, query: Tensor) -> Tensor:
        after = adapted(net, weights, support, tasks.support_class, inner)
        answers: Tensor = functional_call(net, after, (query,))
        return (answers.argmax(-1) == tasks.query_class).float().mean()

    found: Any = vmap(one)(tasks.support, tasks.query)
    assert isinstance(found, Tensor)
    return found.detach()

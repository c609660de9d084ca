"""Small policies that adapt by gradient steps: many tasks at once, each with weights of its own.

Weights are dictionaries, so that `torch.func` takes gradients of them, and gradients of what such a
step leads to. What a step goes by is the likelihood ratio of what was done, times its advantage:
its gradient is that of REINFORCE, and its second derivative has the part that says how other
weights would have acted (Rothfuss et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from als_plugins.learners.flat_numbers import FlatNumbers, Table
from als_plugins.meta.networks import Weights

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = [
    "Batch",
    "Played",
    "SmallPolicy",
    "Ways",
    "adapted",
    "advantages",
    "clipped_loss",
    "collect",
    "kl_of",
    "log_likelihood",
    "named_arrays",
    "stacked",
]

CLIP = 0.2
"""How far a likelihood ratio counts (PPO: Schulman et al. 2017)."""

LAMBDA = 0.95
"""Of generalised advantage estimation (Schulman et al. 2016)."""


class SmallPolicy(nn.Module):
    """Layers with tanh between numbers and the preferences for each action.

    Of a table of things, such as `entities`, it reads one thing: the mean of what a layer makes of
    each, weighed by attention. So another task may be another thing to go to.
    """

    def __init__(
        self, inputs: int, tables: Sequence[Table], widths: Sequence[int], things: int, outputs: int
    ) -> None:
        """Makes the layers.

        Args:
            inputs: how many numbers a row has.
            tables: those of them that are tables.
            widths: of the layers before the last.
            things: width of the layer that reads each thing.
            outputs: of the last layer.
        """
        super().__init__()
        self._tables, self._inputs = tuple(tables), inputs
        self.readers = nn.ModuleList(nn.Linear(each.columns, things) for each in tables)
        self.attention = nn.ModuleList(nn.Linear(things, 1) for _ in tables)
        plain = inputs - sum(each.things * each.columns for each in tables)
        sizes = [plain + things * len(self._tables), *widths]
        self.layers = nn.ModuleList(map(nn.Linear, sizes[:-1], sizes[1:]))
        self.head = nn.Linear(sizes[-1], outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, numbers: Tensor) -> Tensor:
        """(rows, inputs) to (rows, outputs)."""
        parts, begun = [], 0
        for one, reader, attention in zip(self._tables, self.readers, self.attention, strict=True):
            parts.append(numbers[..., begun : one.where.start])
            begun = one.where.stop
            table = torch.unflatten(numbers[..., one.where], -1, (one.things, one.columns))
            found = torch.tanh(reader(table))
            shares = attention(found).squeeze(-1).masked_fill(table[..., 0] < 0.5, -30.0)
            parts.append((torch.softmax(shares, -1).unsqueeze(-1) * found).sum(-2))
        parts.append(numbers[..., begun:])
        rows = torch.cat(parts, -1)
        for layer in self.layers:
            rows = torch.tanh(layer(rows))
        head: Tensor = self.head(rows)
        return head

    def weights(self) -> Weights:
        """A copy of all weights, by name."""
        return {name: value.detach().clone() for name, value in self.named_parameters()}


@dataclass(frozen=True)
class Batch:
    """Whole episodes of some tasks, side by side.

    Attributes:
        numbers: (tasks, steps, inputs). action: (tasks, steps) of int64.
        log_likelihood: (tasks, steps), of the action when it was taken.
        advantage: (tasks, steps). counts: (tasks, steps), 1 where there was a step, else 0.
    """

    numbers: Tensor
    action: Tensor
    log_likelihood: Tensor
    advantage: Tensor
    counts: Tensor

    def columns(self) -> tuple[Tensor, ...]:
        """What `vmap` goes through."""
        return self.numbers, self.action, self.log_likelihood, self.advantage, self.counts


@dataclass(frozen=True)
class Played:
    """What `collect` has seen, (rows, steps, ...), a row for each episode.

    Attributes:
        numbers, action, log_likelihood, reward, counts: as `Batch` has them.
        steps: of the rows, those after an episode's end among them.
    """

    numbers: Tensor
    action: Tensor
    log_likelihood: Tensor
    reward: NDArray[np.float64]
    counts: NDArray[np.bool_]
    steps: int

    def batch(self, advantage: NDArray[np.float64], tasks: int) -> Batch:
        """The episodes by task, the rows of the first task first."""

        def by_task(rows: Tensor) -> Tensor:
            return rows.reshape(tasks, -1, *rows.shape[2:])

        counts = torch.from_numpy(self.counts.astype(np.float32))
        told = torch.from_numpy(advantage.astype(np.float32))
        every = self.numbers, self.action, self.log_likelihood, told, counts
        return Batch(*map(by_task, every))


@dataclass(frozen=True)
class Ways:
    """How weights adapt to a task.

    Attributes:
        steps: gradient steps over all that was played.
        rate: of each.
        second_order: whether gradients flow through the steps (MAML).
    """

    steps: int
    rate: float
    second_order: bool = False


def stacked(weights: Weights, tasks: int) -> Weights:
    """The same weights for so many tasks."""
    return {name: value.expand(tasks, *value.shape) for name, value in weights.items()}


def collect(
    net: nn.Module,
    weights: Weights,
    numbers: FlatNumbers,
    rows: Rows,
    levels: Sequence[int],
    rng: np.random.Generator,
    should_stop: Callable[[], bool] = lambda: False,
    shows: tuple[Callable[[], NDArray[Any]], float] | None = None,
) -> Played | None:
    """Plays one episode in every world, with the weights of its task; None if it was to stop.

    Args:
        net: whose weights they are.
        weights: (tasks, ...) each; the first worlds play the first task.
        numbers: makes what the net reads.
        rows: the worlds, which are seeded.
        levels: of each world.
        rng: draws the actions.
        should_stop: asked in each step.
        shows: says what somebody else would do, (rows,), and how often it is done, between 0 and 1.
            `action` is then always what it says.
    """
    tasks = len(next(iter(weights.values())))
    rows.worlds.coming_levels[:] = levels
    rows.reset()
    running: NDArray[np.bool_] = np.ones(rows.num_rows, np.bool_)
    seen: list[Tensor] = []
    taken, likely, rewards, counts = list[Any](), list[Any](), list[Any](), list[Any]()
    while running.any():
        if should_stop():
            return None
        read = torch.from_numpy(numbers(rows.observations))
        with torch.no_grad():
            scores = vmap(lambda w, x: functional_call(net, w, (x,)))(
                weights, read.reshape(tasks, -1, read.shape[1])
            )
            logs = torch.log_softmax(scores.flatten(0, 1), -1)
        even = rng.random(len(read))
        sums = logs.exp().double().numpy().cumsum(1)
        drawn = np.minimum((sums <= even[:, None] * sums[:, -1:]).sum(1), sums.shape[1] - 1)
        told = drawn
        if shows is not None:
            told = shows[0]()
            drawn = np.where(rng.random(len(read)) < shows[1], told, drawn)
        seen.append(read)
        counts.append(running.copy())
        taken.append(torch.from_numpy(told.astype(np.int64)))
        likely.append(logs.gather(1, taken[-1][:, None])[:, 0])
        rows.step(drawn)
        rewards.append(np.where(running, rows.rewards, 0.0))
        running &= ~rows.ended
    return Played(
        torch.stack(seen, 1), torch.stack(taken, 1), torch.stack(likely, 1),
        np.stack(rewards, 1), np.stack(counts, 1), len(seen) * rows.num_rows,
    )  # fmt: skip


def advantages(
    played: Played, values: NDArray[np.float64], gamma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Advantages, and the discounted returns that a critic learns, each (rows, steps).

    Args:
        played: whole episodes; nothing follows their ends.
        values: (rows, steps), what the critic expected.
        gamma: of a step.
    """
    found, returns = np.zeros_like(values), np.zeros_like(values)
    ahead, total, value = (np.zeros(len(values)) for _ in range(3))
    for step in reversed(range(values.shape[1])):
        there = played.counts[:, step]
        off = played.reward[:, step] + gamma * value - values[:, step]
        ahead = np.where(there, off + gamma * LAMBDA * ahead, 0.0)
        total = np.where(there, played.reward[:, step] + gamma * total, 0.0)
        value = np.where(there, values[:, step], 0.0)
        found[:, step], returns[:, step] = ahead, total
    return found, returns


def log_likelihood(net: nn.Module, weights: Weights, numbers: Tensor, action: Tensor) -> Tensor:
    """The logarithm of how likely actions are, (steps,)."""
    logs = torch.log_softmax(functional_call(net, weights, (numbers,)), -1)
    return logs.gather(-1, action[:, None])[:, 0]


def adapted(net: nn.Module, weights: Weights, columns: tuple[Tensor, ...], ways: Ways) -> Weights:
    """The weights after some steps on what was played in one task.

    Args:
        net: whose weights they are.
        weights: before.
        columns: those of a `Batch`, of one task.
        ways: how.
    """
    numbers, action, before, advantage, counts = columns

    def loss(now: Weights) -> Tensor:
        ratio = torch.exp(log_likelihood(net, now, numbers, action) - before)
        return -(ratio * advantage * counts).sum() / counts.sum()

    now = dict(weights)
    for _ in range(ways.steps):
        slope: Weights = grad(loss)(now)
        for name, value in slope.items():
            now[name] = now[name] - ways.rate * (value if ways.second_order else value.detach())
    return now


def clipped_loss(
    net: nn.Module, weights: Weights, columns: tuple[Tensor, ...], entropy: float
) -> Tensor:
    """PPO's clipped loss in the steps of one task.

    Args:
        net: whose weights they are.
        weights: that are judged.
        columns: those of a `Batch`, of one task.
        entropy: what the policy's entropy weighs.
    """
    numbers, action, before, advantage, counts = columns
    logs = torch.log_softmax(functional_call(net, weights, (numbers,)), -1)
    ratio = torch.exp(logs.gather(-1, action[:, None])[:, 0] - before)
    worth = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
    worth = worth - entropy * (logs.exp() * logs).sum(-1)
    return -(worth * counts).sum() / counts.sum()


def kl_of(net: nn.Module, one: Weights, other: Weights, numbers: Tensor, counts: Tensor) -> float:
    """The mean KL divergence of one policy from another where it has been, one task's steps."""
    with torch.no_grad():
        p, q = (
            torch.log_softmax(functional_call(net, weights, (numbers,)), -1)
            for weights in (one, other)
        )
        each = (p.exp() * (p - q)).sum(-1)
        return float((each * counts).sum() / counts.sum())


def named_arrays(weights: Mapping[str, Tensor], prefix: str) -> dict[str, NDArray[Any]]:
    """Weights as arrays under names of their own, for a file."""
    return {f"{prefix}{name}": value.detach().numpy() for name, value in weights.items()}

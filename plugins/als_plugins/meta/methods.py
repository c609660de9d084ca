"""Ways to learn from few labels: what each learns before it meets a task, and how it then answers.

Meta-learners see many tasks of training; what they are compared with does not. How far and how fast
a method adapts is chosen on tasks of the validation split, for each number of labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from als_plugins.meta.labelled import Source
from als_plugins.meta.networks import (
    HEAD,
    Inner,
    Net,
    TaskTensors,
    Weights,
    adapted,
    cross_entropy,
    right,
)

__all__ = ["METHODS", "Budget", "Method", "prototypes_right"]

Budget = Callable[[int], bool]
"""Told how many steps are done; says whether to stop."""

LABELS: Final = 5
QUERIES: Final = 5
TASKS: Final = 4
"""Of each step of meta-training: labels and questions of a class, and tasks."""

RATE: Final = 3e-3
ROWS: Final = 128
"""Examples in a step of ordinary training."""


class Method(ABC):
    """A way to learn from few labels.

    Attributes:
        id: its name.
        says: what it is, in a few words.
        grid: ways to adapt, of which validation chooses one for each number of labels.
    """

    id: ClassVar[str]
    says: ClassVar[str]
    grid: ClassVar[tuple[Inner, ...]] = (Inner(0, 1.0),)

    def __init__(self, source: Source) -> None:
        """Makes a network, drawn with torch's generator."""
        self.source = source
        self.net = Net(source.shape, source.ways)
        self.weights: Weights = self.net.weights()

    @abstractmethod
    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Learns what it can before it meets a task.

        Args:
            rng: draws tasks and examples.
            steps: of gradients.
            stop: told after each how many there were; ends the learning where it says so.
        """

    def answer(self, tasks: TaskTensors, inner: Inner) -> Tensor:
        """Which part of each task's questions it answers rightly, (tasks,)."""
        return right(self.net, self.weights, tasks, inner)

    def _tasks(self, rng: np.random.Generator) -> TaskTensors:
        return TaskTensors.of(self.source.tasks(rng, "train", TASKS, LABELS, QUERIES))

    def _descend(
        self,
        rng: np.random.Generator,
        steps: int,
        stop: Budget,
        loss: Callable[[Weights, TaskTensors], Tensor],
    ) -> None:
        """Adam on the mean loss of tasks that are drawn anew for each step."""
        slope = grad_and_value(loss)
        optimizer = torch.optim.Adam(self.weights.values(), RATE)
        for step in range(steps):
            found, _ = slope(self.weights, self._tasks(rng))
            for name, value in self.weights.items():
                value.grad = found[name].detach()
            optimizer.step()
            if stop(step + 1):
                return


class Prototypes(Method):
    """Prototypical networks (Snell, Swersky and Zemel 2017): the nearest mean, in features."""

    id: ClassVar[str] = "prototypes"
    says: ClassVar[str] = "prototypical network"

    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Learns features in which classes lie around their means."""

        def loss(weights: Weights, tasks: TaskTensors) -> Tensor:
            def one(support: Tensor, query: Tensor) -> Tensor:
                features = self._features(weights, support), self._features(weights, query)
                return cross_entropy(_nearness(*features, tasks), tasks.query_class)

            found: Tensor = vmap(one)(tasks.support, tasks.query).mean()
            return found

        self._descend(rng, steps, stop, loss)

    def _features(self, weights: Weights, inputs: Tensor) -> Tensor:
        body = {name[5:]: value for name, value in weights.items() if not name.startswith(HEAD)}
        return functional_call(self.net.body, body, (inputs,))  # type: ignore[no-any-return]

    def answer(self, tasks: TaskTensors, inner: Inner) -> Tensor:
        """See `Method.answer`; nothing is adapted."""
        with torch.no_grad():
            support = self._features(self.weights, tasks.support.flatten(0, 1))
            query = self._features(self.weights, tasks.query.flatten(0, 1))
            count = len(tasks.support)
            return prototypes_right(torch.unflatten(support, 0, (count, -1)), query, tasks)


class Nearest(Method):
    """The nearest mean of the raw inputs: what needs no training at all."""

    id: ClassVar[str] = "nearest"
    says: ClassVar[str] = "nearest mean of the inputs"

    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Has nothing to learn."""

    def answer(self, tasks: TaskTensors, inner: Inner) -> Tensor:
        """See `Method.answer`."""
        return prototypes_right(
            tasks.support.flatten(2), tasks.query.flatten(0, 1).flatten(1), tasks
        )


def prototypes_right(support: Tensor, query: Tensor, tasks: TaskTensors) -> Tensor:
    """The part of questions for which the mean of the right class is the nearest, (tasks,).

    Args:
        support: (tasks, rows, features).
        query: (tasks * rows, features).
        tasks: whose examples and questions they are.
    """
    count = len(support)
    near = vmap(lambda s, q: _nearness(s, q, tasks))(
        support, torch.unflatten(query, 0, (count, -1))
    )
    found: Tensor = (near.argmax(-1) == tasks.query_class).float().mean(-1)
    return found


def _nearness(support: Tensor, query: Tensor, tasks: TaskTensors) -> Tensor:
    """Minus the squared distance to each class's mean, (queries, ways)."""
    means = torch.unflatten(support, 0, (tasks.ways, tasks.labels)).mean(1)
    return -(query[:, None] - means[None]).square().sum(-1)


class MAML(Method):
    """Weights from which a few steps go far (Finn, Abbeel and Levine 2017)."""

    id: ClassVar[str] = "maml"
    says: ClassVar[str] = "MAML"
    grid: ClassVar[tuple[Inner, ...]] = (Inner(5, 0.1), Inner(15, 0.1))
    inner: ClassVar[Inner] = Inner(3, 0.1, second_order=True)

    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Learns by the loss after adapting."""

        def loss(weights: Weights, tasks: TaskTensors) -> Tensor:
            def one(support: Tensor, query: Tensor) -> Tensor:
                after = adapted(self.net, weights, support, tasks.support_class, self.inner)
                return cross_entropy(functional_call(self.net, after, (query,)), tasks.query_class)

            found: Tensor = vmap(one)(tasks.support, tasks.query).mean()
            return found

        self._descend(rng, steps, stop, loss)


class FirstOrderMAML(MAML):
    """MAML that takes its own steps as given."""

    id: ClassVar[str] = "fomaml"
    says: ClassVar[str] = "MAML, first order"
    inner: ClassVar[Inner] = Inner(3, 0.1)


class Reptile(Method):
    """Moves towards where each task's steps lead (Nichol, Achiam and Schulman 2018)."""

    id: ClassVar[str] = "reptile"
    says: ClassVar[str] = "Reptile"
    grid: ClassVar[tuple[Inner, ...]] = MAML.grid
    inner: ClassVar[Inner] = Inner(3, 0.1)

    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Learns from all that is drawn of a task, examples and questions alike."""
        for step in range(steps):
            tasks = self._tasks(rng)
            inputs = torch.cat([tasks.support, tasks.query], 1)
            classes = torch.cat([tasks.support_class, tasks.query_class])

            def one(seen: Tensor, classes: Tensor = classes) -> Weights:
                return adapted(self.net, self.weights, seen, classes, self.inner)

            after = vmap(one)(inputs)
            size = 1.0 - step / steps
            for name, value in self.weights.items():
                value += size * (after[name].detach().mean(0) - value)
            if stop(step + 1):
                return


class FineTuning(Method):
    """A network that has learnt all training's questions together, and then the task."""

    id: ClassVar[str] = "fine-tuning"
    says: ClassVar[str] = "multi-task network, fine-tuned"
    grid: ClassVar[tuple[Inner, ...]] = (
        Inner(10, 0.1),
        Inner(40, 0.1),
        Inner(40, 0.1, head_only=True),
    )

    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Learns all training's questions at once; then its last layer begins anew, at 0."""
        source = self.source
        every = Net(source.shape, source.heads * source.classes)
        optimizer = torch.optim.Adam(every.parameters(), RATE)
        for step in range(steps):
            lesson = source.lesson(rng, ROWS)
            answers = every(torch.from_numpy(lesson.inputs))
            answers = torch.unflatten(answers, -1, (source.heads, source.classes)).flatten(0, 1)
            wanted = torch.from_numpy(lesson.answers).flatten()
            each = torch.nn.functional.cross_entropy(answers, wanted, reduction="none")
            counts = torch.from_numpy(lesson.counts).flatten()
            optimizer.zero_grad()
            ((each * counts).sum() / counts.sum()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if stop(step + 1):
                break
        found = every.weights()
        for name, value in self.weights.items():
            self.weights[name] = torch.zeros_like(value) if name.startswith(HEAD) else found[name]


class Scratch(Method):
    """A fresh network for each task."""

    id: ClassVar[str] = "scratch"
    says: ClassVar[str] = "from scratch"
    grid: ClassVar[tuple[Inner, ...]] = (Inner(10, 0.1), Inner(40, 0.1))

    def learn(self, rng: np.random.Generator, steps: int, stop: Budget) -> None:
        """Has nothing to learn before a task."""


class Oracle(FineTuning):
    """The fine-tuned network that is told the task: it is given as many labels as there are."""

    id: ClassVar[str] = "oracle"
    says: ClassVar[str] = "told the task: 40 labels a class"


METHODS: Final[Mapping[str, type[Method]]] = {
    each.id: each
    for each in (
        Prototypes, MAML, FirstOrderMAML, Reptile, FineTuning, Scratch, Nearest, Oracle
    )
}  # fmt: skip
"""All methods, by name."""

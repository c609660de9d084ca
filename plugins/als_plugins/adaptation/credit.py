"""Predicts the feedback that each action would get, with a small network.

Feedback comes late, seldom and sometimes the wrong way round. An event is credited to all actions
that it may have been meant for, by the density of the delay (TAMER, Knox and Stone 2009): the
credit-weighted mean of the predictions for these actions is fitted to it. The prediction averages
slips out, judges the steps that nobody judged, and can be had when the action is taken, which is
when a learner needs its reward.

A prediction is no reward yet. Praise that comes for every step makes a learner go round in circles
for more, and blame makes it end the episode (positive and negative circuits, Ho et al. 2015). So a
second network learns what is predicted on average for the actions that are taken here now, and the
learner gets the difference: how much better than usual, which adds up to nothing when nothing
changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from als_engine.errors import SavedFileError
from als_engine.seeding import Generators, spread
from als_plugins.adaptation.channel import STEP, Delay
from als_plugins.learners.reader import Reader

__all__ = ["Agreement", "Credit"]

HIDDEN: Final = 64
RATE: Final = 1e-3
EVENTS: Final = 8_192
"""Events that are remembered; older ones were about a policy, or a world, that is gone."""
STEPS: Final = 32_768
"""Steps of rows that are remembered."""
BATCH: Final = 128
"""Events in a gradient step."""
FEW: Final = 64
"""With fewer events nothing is predicted."""
LEAST: Final = 0.1
"""Differences in prediction below this are not blown up to full size."""
LARGEST: Final = 3.0
"""In multiples of the usual size, the largest difference that counts."""

Rows = NDArray[np.float32]


class Credit:
    """Learns from events what to think of every action."""

    def __init__(
        self, reader: Reader, action_space: gymnasium.Space[Any], rows: int, delay: Delay,
        seed: int,
    ) -> None:  # fmt: skip
        """Takes what reads the observations.

        Args:
            reader: of the agent that is adapted, as it was in the beginning.
            action_space: of one avatar.
            rows: how many avatars act.
            delay: seconds, as `Channel.delay`.
            seed: of the networks.
        """
        self._reader = reader
        self._actions = action_space
        self.delays = np.arange(round(delay[0] / STEP), round(delay[1] / STEP) + 1)
        seed = spread("credit", seed)
        self._rng = np.random.default_rng(seed)
        features, width = reader.features, _width(action_space)
        with Generators(seed):
            self.value = _network(features + width)
            self.usual = _network(features)
        parameters = [*self.value.parameters(), *self.usual.parameters()]
        self._optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-3)
        self._memory = _Memory(max(STEPS // rows, 64), rows, features + width)
        self.agreement = Agreement()
        self._spread = 0.0
        self._features = features

    def remember(
        self, step: int, observation: Mapping[str, NDArray[Any]], action: NDArray[Any]
    ) -> None:
        """Keeps a step of all rows."""
        self._memory.add(step, np.concatenate([self._reader(observation), self._as(action)], 1))

    def hear(self, events: Sequence[tuple[int, int, float]]) -> None:
        """Takes events (step, row, value); those for steps that are forgotten are dropped.

        How well they were predicted is noted before anything is learnt from them.
        """
        heard = self._memory.hear(events, self.delays)
        if len(heard):
            with torch.no_grad():
                self.agreement.add(self._predicted(heard).numpy(), self._memory.values[heard])

    @torch.enable_grad()
    def learn(self, updates: int) -> None:
        """Fits the predictions to the events, and what is usual to the last steps.

        Also within the step of a learner that plays without gradients.
        """
        if self._memory.heard < FEW:
            return
        for _ in range(updates):
            events = self._rng.integers(self._memory.heard, size=BATCH)
            values = torch.from_numpy(self._memory.values[events])
            loss = nn.functional.mse_loss(self._predicted(events), values)
            recent = torch.from_numpy(self._memory.recent(self._rng, 4 * BATCH))
            with torch.no_grad():
                predicted = self.value(recent)
            usual = self.usual(recent[:, : self._features])
            loss = loss + nn.functional.mse_loss(usual, predicted)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def signal(self, step: int) -> Rows:
        """The advantage of a step's remembered actions over the usual ones, (rows,).

        In units of its own usual size, and times the trust that the feedback has earned.
        """
        rows = torch.from_numpy(self._memory.at(step))
        if self._memory.heard < FEW:
            return np.zeros(len(rows), np.float32)
        with torch.no_grad():
            better = (self.value(rows) - self.usual(rows[:, : self._features]))[:, 0].numpy()
        spread = float(np.square(better).mean())
        self._spread += 0.01 * (spread - self._spread) if self._spread else spread
        size = max(np.sqrt(self._spread), LEAST)
        signal: Rows = np.clip(better / size, -LARGEST, LARGEST) * np.float32(self.agreement.trust)
        return signal.astype(np.float32)

    def forget(self) -> None:
        """Drops all events, and the trust that they have earned: they were about another world."""
        self._memory.forget()
        self.agreement.moments[:] = 0.0

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The networks and what is known of their worth, to write to a file."""
        arrays = {
            f"{part}.{name}": tensor.numpy()
            for part, network in (("value", self.value), ("usual", self.usual))
            for name, tensor in network.state_dict().items()
        }
        return {
            **arrays,
            "agreement": self.agreement.moments.copy(),
            "spread": np.array([self._spread]),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes what `tensors` gave, with the same names and shapes.

        Raises:
            SavedFileError: means of squares, or a count, are below 0.
        """
        if min(*arrays["agreement"][[0, 1, 3]], arrays["spread"][0]) < 0:
            raise SavedFileError("what predicts the feedback has means of squares below 0")
        for part, network in (("value", self.value), ("usual", self.usual)):
            network.load_state_dict(
                {name: torch.tensor(arrays[f"{part}.{name}"]) for name in network.state_dict()}
            )
        self.agreement.moments[:] = arrays["agreement"]
        self._spread = float(arrays["spread"][0])

    def _predicted(self, events: NDArray[np.intp]) -> Tensor:
        """The credit-weighted mean prediction of each event."""
        steps, credit = self._memory.windows(events, self.delays)
        flat = torch.from_numpy(steps.reshape(-1, steps.shape[-1]))
        predicted: Tensor = self.value(flat).reshape(steps.shape[:2])
        return (predicted * torch.from_numpy(credit)).sum(1)

    def _as(self, action: NDArray[Any]) -> Rows:
        if (sizes := _choices(self._actions)) is not None:
            chosen = np.asarray(action).reshape(len(action), -1).T
            parts = [np.eye(n, dtype=np.float32)[k] for n, k in zip(sizes, chosen, strict=True)]
            return np.concatenate(parts, axis=1)
        return np.asarray(action, np.float32).reshape(len(action), -1)


class Agreement:
    """Whether predictions, made before the event, agree with what people then say.

    Attributes:
        moments: running means of the prediction's square, the value's and their product, and the
            count.
    """

    _SLOW: Final = 1 / 500
    _FULL: Final = 0.2

    def __init__(self) -> None:
        self.moments: NDArray[np.float64] = np.zeros(4)

    def add(self, predicted: NDArray[Any], values: NDArray[Any]) -> None:
        """Takes predictions and what came, (events,) each."""
        for p, v in zip(predicted.tolist(), values.tolist(), strict=True):
            self.moments[3] += 1
            share = max(self._SLOW, 1 / self.moments[3])
            self.moments[:3] += share * (np.array([p * p, v * v, p * v]) - self.moments[:3])

    @property
    def cosine(self) -> float:
        """From -1 to 1; 0 before there is enough to say.

        Not a correlation: that of somebody who, with reason, finds everything bad is 0.
        """
        predicted, said, product, count = self.moments.tolist()
        if count < 2 * FEW or predicted * said <= 1e-12:
            return 0.0
        return float(np.clip(product / np.sqrt(predicted * said), -1.0, 1.0))

    @property
    def trust(self) -> float:
        """From 0, feedback says nothing that can be predicted, to 1.

        A cosine of 0.2 is full trust: an event is about one of ten actions, so that even a perfect
        prediction of every action need not agree better with single events.
        """
        return float(np.clip(self.cosine / self._FULL, 0.0, 1.0))


class _Memory:
    """The last steps of all rows, and the last events."""

    def __init__(self, steps: int, rows: int, width: int) -> None:
        self._steps: Rows = np.zeros((steps, rows, width), np.float32)
        self._stamps = np.full(steps, -1, np.int64)
        self._newest = -1
        self._given, self._row = np.zeros(EVENTS, np.int64), np.zeros(EVENTS, np.int64)
        self.values: Rows = np.zeros(EVENTS, np.float32)
        self.heard, self._next = 0, 0

    def forget(self) -> None:
        self.heard, self._next = 0, 0

    def add(self, step: int, rows: Rows) -> None:
        place = step % len(self._steps)
        self._steps[place], self._stamps[place], self._newest = rows, step, step

    def at(self, step: int) -> Rows:
        rows: Rows = self._steps[step % len(self._steps)]
        return rows

    def hear(
        self, events: Sequence[tuple[int, int, float]], delays: NDArray[np.int64]
    ) -> NDArray[np.intp]:
        """Keeps events; returns where those that can be credited now are."""
        kept = []
        for step, row, value in events:
            if self._known(np.array([step]), delays).any():
                place = self._next
                self._given[place], self._row[place], self.values[place] = step, row, value
                self._next = (place + 1) % EVENTS
                self.heard = min(self.heard + 1, EVENTS)
                kept.append(place)
        return np.array(kept, np.intp)

    def windows(self, events: NDArray[np.intp], delays: NDArray[np.int64]) -> tuple[Rows, Rows]:
        """Steps (events, delays, width), and their credit (events, delays), which adds up to 1.

        An event whose steps have been forgotten since has no credit at all.
        """
        given = self._given[events]
        known = self._known(given, delays)
        places = (given[:, None] - delays) % len(self._steps)
        credit = known / np.maximum(known.sum(1, keepdims=True), 1)
        return self._steps[places, self._row[events][:, None]], credit.astype(np.float32)

    def recent(self, rng: np.random.Generator, count: int) -> Rows:
        """Some of the steps of about the last thousand rows."""
        rows = self._steps.shape[1]
        back = rng.integers(min(max(2_048 // rows, 16), self._filled()), size=count)
        places = (self._newest - back) % len(self._steps)
        return self._steps[places, rng.integers(rows, size=count)]

    def _filled(self) -> int:
        return int(np.count_nonzero(self._stamps >= 0))

    def _known(self, given: NDArray[np.int64], delays: NDArray[np.int64]) -> NDArray[np.bool_]:
        steps = given[:, None] - delays
        known: NDArray[np.bool_] = (steps >= 0) & (self._stamps[steps % len(self._stamps)] == steps)
        return known


def _network(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(inputs),
        nn.Linear(inputs, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, 1),
    )


def _width(space: gymnasium.Space[Any]) -> int:
    sizes = _choices(space)
    return int(np.prod(space.shape or (1,))) if sizes is None else sum(sizes)


def _choices(space: gymnasium.Space[Any]) -> list[int] | None:
    """How many choices each part of an action has; None where it is a vector of numbers."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return [int(n) for n in space.nvec]
    return None

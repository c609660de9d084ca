"""How far a world model is from the truth over a horizon, on held-out levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.seeding import spread
from als_plugins.world_models.data import Steps
from als_plugins.world_models.saving import Learnt

__all__ = ["CONTEXT", "HORIZON", "Errors", "Rollout", "errors_over", "roll_out"]

CONTEXT: Final = 5
"""Steps that a model sees before it has to guess."""

HORIZON: Final = 25
_WINDOWS: Final = 512

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors over the horizon, (steps,) each: the first is one step ahead.

    Attributes:
        model, persistence: of the next observations, root mean square, in deviations of each
            number; persistence says that all stays as it is.
        reward, mean_reward: of rewards, in their own deviations; the latter always says the mean.
        windows: over how many it is a mean.
    """

    model: Floats
    persistence: Floats
    reward: Floats
    mean_reward: Floats
    windows: int


@dataclass(frozen=True)
class Rollout:
    """What really came, and what a model thought would come of the same actions.

    Attributes:
        truth, guess: (steps, numbers), standardised; both begin with what was seen.
        columns: the numbers that change most, for a drawing.
    """

    truth: Floats
    guess: Floats
    columns: list[int]


@torch.no_grad()
def errors_over(learnt: Learnt, steps: Steps, seed: int = 0) -> Errors | None:
    """Rolls the model out from windows at random; None where no episode is as long as that."""
    first = steps.whole(CONTEXT + HORIZON)
    if not len(first):
        return None
    rng = np.random.default_rng(spread("windows of errors", seed))
    chosen = rng.choice(first, min(_WINDOWS, len(first)), replace=False)
    batch = steps.batch(np.sort(chosen), CONTEXT + HORIZON)
    model, now = learnt.model, CONTEXT - 1
    state = model.begin(batch.observation[:, :CONTEXT], batch.action[:, :now])
    found: list[list[float]] = [[], [], [], []]
    for step in range(now, now + HORIZON):
        state, guess = model.step(state, batch.action[:, step])
        truth, earned = batch.observation[:, step + 1], batch.reward[:, step]
        apart = (
            guess.observation - truth, batch.observation[:, now] - truth,
            guess.reward - earned, earned,
        )  # fmt: skip
        for each, values in zip(found, apart, strict=True):
            each.append(float(values.square().mean().sqrt()))
    model_error, stays, reward, always = (np.array(each) for each in found)
    return Errors(model_error, stays, reward, always, len(chosen))


@torch.no_grad()
def roll_out(learnt: Learnt, steps: Steps, length: int = 100) -> Rollout | None:
    """The first episode that is long enough, or as much as there is of the longest one."""
    starts = np.concatenate([[0], np.unique(steps.last)[:-1] + 1])
    lengths = steps.last[starts] - starts + 1
    if lengths.max() <= CONTEXT:
        return None
    fits = np.flatnonzero(lengths >= length)
    episode = int(fits[0]) if len(fits) else int(lengths.argmax())
    count = min(length, int(lengths[episode]))
    batch = steps.batch(starts[[episode]], count)
    model = learnt.model
    state = model.begin(batch.observation[:, :CONTEXT], batch.action[:, : CONTEXT - 1])
    guesses = [batch.observation[0, :CONTEXT]]
    for step in range(CONTEXT - 1, count - 1):
        state, guess = model.step(state, batch.action[:, step])
        guesses.append(guess.observation)
    truth = batch.observation[0].double().numpy()
    moves = np.abs(np.diff(truth, axis=0)).mean(axis=0)
    # Numbers that jump are no curves.
    smooth = np.abs(np.diff(truth, axis=0)).max(axis=0, initial=0.0) < 1.0
    columns = np.argsort(-np.where(smooth, moves, -1.0))[:4].tolist()
    return Rollout(truth, torch.cat(guesses).double().numpy(), columns)

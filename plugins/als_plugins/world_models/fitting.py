"""Fits a world model to steps: batches by number, Adam, and the weights that were best held out."""

from __future__ import annotations

import math
import time
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_plugins.world_models.data import Steps
from als_plugins.world_models.saving import Learnt

__all__ = ["Fitting", "reward_scale"]

_STEEPEST: Final = 10.0
_HELD_OUT: Final = 1_024
"""Windows that the held-out loss is a mean over."""


class Fitting:
    """A model, its optimizer, and how far it has come.

    What a step does depends on the seed and its number alone, beside the weights.

    Attributes:
        step: gradient steps taken.
        best: the weights that were nearest to held-out steps; empty before the first evaluation.
        lowest: the mean square that they were apart.
        spent: seconds in forward and backward passes, and in all.
    """

    def __init__(
        self, learnt: Learnt, train: Steps, held_out: Steps | None, *, seed: int, batch: int,
        rate: float,
    ) -> None:  # fmt: skip
        """Takes a model and steps that are standardised for it."""
        self.learnt, self._train, self._held_out = learnt, train, held_out
        self._seed, self._batch = seed, batch
        self.optimizer = torch.optim.Adam(learnt.model.parameters(), rate, fused=True)
        self.step, self.lowest = 0, math.inf
        self.best: dict[str, Tensor] = {}
        self.spent = {"passes": 0.0, "all": 0.0}

    def take(self, steps: int = 1) -> dict[str, float]:
        """Takes gradient steps; returns the parts of the last loss.

        Raises:
            ArgumentError: the loss is not finite; the weights are as they were.
        """
        model = self.learnt.model
        logged: dict[str, float] = {}
        model.train().requires_grad_(True)
        for _ in range(steps):
            began = time.perf_counter()
            rng = np.random.default_rng(spread("batches of a model", self._seed, self.step))
            first = rng.integers(len(self._train), size=self._batch * model.windows)
            batch = self._train.batch(first, model.length)
            torch.manual_seed(spread("noise of a model", self._seed, self.step))
            passes = time.perf_counter()
            loss, logged = model.loss(batch)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            passed = time.perf_counter()
            norm = float(nn.utils.clip_grad_norm_(model.parameters(), _STEEPEST))
            if not math.isfinite(norm):
                raise ArgumentError(f"the loss is not finite any more at step {self.step + 1}")
            self.optimizer.step()
            self.step += 1
            self.spent["passes"] += passed - passes
            self.spent["all"] += time.perf_counter() - began
            logged["loss"] = float(loss.detach())
        model.eval().requires_grad_(False)
        return logged

    @torch.no_grad()
    def evaluate(self) -> float:
        """How far guesses are from held-out steps, always the same ones; keeps the best weights."""
        began = time.perf_counter()
        model, steps = self.learnt.model, self._held_out
        assert steps is not None
        count = max(1, min(_HELD_OUT, len(steps)) // (model.windows * model.length) or 1)
        rng = np.random.default_rng(spread("held-out batches of a model", self._seed))
        first = rng.integers(len(steps), size=count * model.windows)
        torch.manual_seed(spread("held-out noise of a model", self._seed))
        batch = steps.batch(first, model.length)
        passes = time.perf_counter()
        loss = model.loss(batch)[1]["apart"]
        self.spent["passes"] += time.perf_counter() - passes
        if loss < self.lowest:
            self.lowest = loss
            self.best = {n: t.detach().clone() for n, t in model.state_dict().items()}
        self.spent["all"] += time.perf_counter() - began
        return loss

    def restore_best(self) -> None:
        """Goes back to the weights that were best held out."""
        if self.best:
            self.learnt.model.load_state_dict(self.best)


def reward_scale(rewards: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and deviation of rewards, (2,); the deviation is never 0."""
    return np.array([rewards.mean(), max(float(rewards.std()), 1e-3)], np.float32)

"""Forecasters that tell little of any one scene or person: DP-SGD (Abadi et al. 2016), opacus.

In each step every unit is drawn by itself with one probability; some of its windows make its
gradient, which is cut to one length, and noise is added to the sum. What else would learn from the
data is left out: no weights are chosen, and nothing is calibrated, by the validation part.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.agents.saving import PrivacyRecord
from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_plugins.privacy.accounting import EACH, check_delta, noise_for, spent

if TYPE_CHECKING:
    from als_plugins.forecast.training import Job

__all__ = ["PrivateSteps", "check_private"]


def check_private(job: Job, is_network: bool) -> None:
    """Refuses what cannot be learnt with privacy.

    Raises:
        ArgumentError: says what.
    """
    if not is_network or job.task != "path":
        raise ArgumentError("epsilon goes with networks of paths: rnn, lstm, gru or social")
    if job.unit == "person" and job.model == "social":
        raise ArgumentError(
            "social looks at others, so that windows of one person tell of them: use unit=scene, "
            "or gru"
        )


class PrivateSteps:
    """Gradient steps with which no unit has much to do.

    Attributes:
        noise: the deviation of the noise, in lengths of `clip`.
    """

    def __init__(
        self,
        job: Job,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        train: Sequence[torch.Tensor],
        units: Sequence[NDArray[np.intp]],
    ) -> None:
        """Works out how much noise it takes.

        Args:
            job: the settings; `epsilon` is given.
            network: what learns.
            optimizer: of its weights.
            train: the arguments of its `loss`, of all windows.
            units: which windows belong together.

        Raises:
            ArgumentError: there are too few units for this epsilon, or too many for this delta.
        """
        from opacus.optimizers import DPOptimizer

        assert job.epsilon is not None
        self._job, self._network, self._train, self._units = job, network, train, units
        expected = min(max(1, job.batch // EACH), len(units))
        self._part = expected / len(units)
        check_delta(job.delta, len(units), job.unit)
        self.noise = noise_for(job.epsilon, job.delta, self._part, job.steps)
        self._weights = list(network.parameters())
        self._generator, self._rng = torch.Generator(), np.random.default_rng()
        self._seed(secrets.randbits(63))
        self._optimizer = DPOptimizer(
            optimizer, noise_multiplier=self.noise, max_grad_norm=job.clip,
            expected_batch_size=expected, generator=self._generator,
        )  # fmt: skip

    def _seed(self, seed: int) -> None:
        self._generator.manual_seed(seed % (1 << 63))
        self._rng = np.random.default_rng(seed)

    def take(self, step: int) -> float:
        """Takes a step, and returns the mean loss of what was drawn; NaN where nothing was."""
        if self._job.repeatable:  # A function of the seed and the step: nothing has to be kept.
            self._seed(spread("private forecast", self._job.seed, step))
        chosen = np.flatnonzero(self._rng.random(len(self._units)) < self._part)
        samples = [torch.zeros(len(chosen), *weight.shape) for weight in self._weights]
        total, loss_of = 0.0, self._network.loss
        for place, unit in enumerate(chosen.tolist()):
            rows = torch.from_numpy(self._rng.choice(self._units[unit], EACH))
            loss = loss_of(*(array[rows] for array in self._train))  # type: ignore[operator]
            found: Any = torch.autograd.grad(loss, self._weights, allow_unused=True)
            for sample, gradient in zip(samples, found, strict=True):
                if gradient is not None:
                    sample[place] = gradient
            total += float(loss.detach())
        self._optimizer.zero_grad()
        for weight, sample in zip(self._weights, samples, strict=True):
            weight.grad_sample = sample  # type: ignore[attr-defined]
        self._optimizer.step()
        return total / len(chosen) if len(chosen) else float("nan")

    def record(self, steps: int) -> PrivacyRecord:
        """What so many steps have told, by the accountant."""
        job = self._job
        return PrivacyRecord(
            epsilon=spent(self.noise, self._part, steps, job.delta), delta=job.delta, unit=job.unit,
            units=len(self._units), clip=job.clip, noise=self.noise, updates=steps,
            repeatable=job.repeatable,
        )  # fmt: skip

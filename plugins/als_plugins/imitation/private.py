"""Imitation that tells little about any one person: DP-SGD (Abadi et al. 2016), by opacus.

Whether a person's episodes, or one episode, were in the dataset changes how likely any trained
agent is by a factor of at most exp(epsilon), but for a probability of delta. For that each unit is
drawn by itself with one probability, its gradient, a mean over some of its steps, is cut to one
length, and noise is added to the sum. What else would learn from the data is left out: the critic,
the scale of its returns, and deviations of continuous actions.
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Discrete, MultiDiscrete
from torch import nn

from als_engine.agents.saving import PrivacyRecord
from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_plugins.imitation.imitation import Log
from als_plugins.imitation.parameters import ImitationParameters
from als_plugins.learners.student import Batch, Student
from als_plugins.privacy.accounting import EACH, check_delta, noise_for, spent

if TYPE_CHECKING:
    from als_plugins.imitation.recorded import Recorded

__all__ = ["PrivateImitation", "check_private", "learns_from_actions", "study_privately"]

_LOG_EVERY: Final = 50


class PrivateImitation:
    """Learns the actions of a dataset, so that no unit of it has much to do with what is learnt.

    Attributes:
        steps: demonstrated so far, as an imitation counts them. total: how many there will be.
        updates: gradient steps so far. planned: how many there will be.
        noise: the deviation of the noise, in lengths of `clip`.
    """

    def __init__(
        self,
        student: Student,
        optimizer: torch.optim.Optimizer,
        parameters: ImitationParameters,
        data: Recorded,
        log: Log,
        *,
        total: int,
        steps: int,
        seed: int,
    ) -> None:
        """Works out how much noise it takes.

        Args:
            student: who learns; its network is there, and only what acts in it learns.
            optimizer: of its weights.
            parameters: how it learns; `epsilon` is given.
            data: what it learns from.
            log: where losses go.
            total: demonstrated steps in all.
            steps: demonstrated before.
            seed: of what is drawn, where that is to be repeatable.

        Raises:
            ArgumentError: there are too few units for this epsilon, or too many for this delta.
        """
        from opacus.optimizers import DPOptimizer

        assert parameters.epsilon is not None
        self.student, self.parameters, self._data = student, parameters, data
        self.steps, self.total = steps, total
        self._units = data.units(parameters.unit)
        self._rate = parameters.passes_for(total) / parameters.imitation_batch
        self.planned = max(1, math.floor(total * self._rate))
        self.updates = self._due(steps)
        expected = min(max(1, parameters.imitation_batch // EACH), len(self._units))
        self._part = expected / len(self._units)
        self.delta = parameters.delta
        check_delta(self.delta, len(self._units), parameters.unit)
        self.noise = noise_for(parameters.epsilon, self.delta, self._part, self.planned)
        secret = secrets.randbits(63)
        drawn = spread("private imitation", seed, steps) if parameters.repeatable else secret
        self._rng = np.random.default_rng(drawn)
        self._weights = [each for group in optimizer.param_groups for each in group["params"]]
        self._optimizer = DPOptimizer(
            optimizer,
            noise_multiplier=self.noise,
            max_grad_norm=parameters.clip,
            expected_batch_size=expected,
            generator=torch.Generator(self._weights[0].device).manual_seed(drawn % (1 << 63)),
        )
        self._log, self._sum = log, [0.0, 0]

    def _due(self, steps: int) -> int:
        """Gradient steps that belong to so many demonstrated ones."""
        return self.planned if steps >= self.total else math.floor(steps * self._rate)

    def learn(self, new: int) -> None:
        """Counts new demonstrated steps, and takes the gradient steps that are due by then."""
        self.steps += new
        if self.updates == self._due(self.steps):
            return
        self.student.train(True)
        left = max(0.0, 1.0 - self.steps / self.total)
        for group in self._optimizer.param_groups:
            group["lr"] = self.parameters.imitation_rate * left
        while self.updates < self._due(self.steps):
            self._update()
            self.updates += 1
        self.student.train(False)

    def _update(self) -> None:
        chosen = np.flatnonzero(self._rng.random(len(self._units)) < self._part)
        self._optimizer.zero_grad()
        if len(chosen):
            numbers = [self._rng.choice(self._units[unit], EACH) for unit in chosen]
            logs = self.student.judge(self._data.at(np.concatenate(numbers))).logs
            (-logs.sum()).backward()  # type: ignore[no-untyped-call]
            self._sum[0] -= float(logs.detach().mean())
            self._sum[1] += 1
        for weight in self._weights:
            each = getattr(weight, "grad_sample", None)
            if each is None or not len(chosen):
                found = torch.zeros(len(chosen), *weight.shape, device=weight.device)
            else:
                found = each.reshape(len(chosen), EACH, *weight.shape).mean(1)
            weight.grad_sample = found
        self._optimizer.step()
        if self._sum[1] >= _LOG_EVERY:
            self._log.add({"imitation/policy_loss": self._sum[0] / self._sum[1]}, self.steps)
            self._sum = [0.0, 0]

    def record(self) -> PrivacyRecord:
        """What it has told so far, by the accountant."""
        return PrivacyRecord(
            epsilon=spent(self.noise, self._part, self.updates, self.delta),
            delta=self.delta,
            unit=self.parameters.unit,
            units=len(self._units),
            clip=self.parameters.clip,
            noise=self.noise,
            updates=self.updates,
            repeatable=self.parameters.repeatable,
        )


def study_privately(
    imitation: PrivateImitation,
    should_stop: Callable[[], bool] = lambda: False,
    after_step: Callable[[int], None] = lambda steps: None,
    end: int | None = None,
) -> bool:
    """Learns from a dataset as if its steps came in one by one; see `Lessons.run`.

    Args:
        imitation: what learns.
        should_stop: asked at every step.
        after_step: called with the demonstrated steps so far.
        end: the demonstrated steps up to which it learns now; None for all.
    """
    end = imitation.total if end is None else end
    parameters = imitation.parameters
    passes = parameters.passes_for(imitation.total)
    at_once = max(1, round(parameters.imitation_batch / passes))
    with _gradients_apart(imitation.student):
        while imitation.steps < end:
            if should_stop():
                return False
            imitation.learn(min(at_once, end - imitation.steps))
            after_step(imitation.steps)
    return True


def check_private(student: Student, actions: gymnasium.Space[Any]) -> None:
    """Refuses what cannot learn with privacy; the network need not be there.

    Raises:
        ArgumentError: says what.
    """
    if student.together > 1:
        raise ArgumentError(
            "a memory cannot learn with privacy, since opacus takes no sequences: use memory=none"
        )
    if not isinstance(actions, Discrete | MultiDiscrete):
        raise ArgumentError(
            "continuous actions cannot be learnt with privacy: use --arg action_mode=discrete"
        )


@contextmanager
def learns_from_actions(student: Student) -> Iterator[None]:
    """Lets only that part of a network learn that acts, and checks that opacus can take it.

    Raises:
        ArgumentError: it has a layer whose gradients opacus cannot take apart.
    """
    policy = student.policy
    learnt = [weight for weight in policy.parameters() if weight.requires_grad]
    student.train(True)
    (-student.judge(_nothing(student)).logs.sum()).backward()  # type: ignore[no-untyped-call]
    for weight in learnt:
        weight.requires_grad_(weight.grad is not None)
        weight.grad = None
    try:
        with _gradients_apart(student):
            (-student.judge(_nothing(student)).logs.sum()).backward()  # type: ignore[no-untyped-call]
            for name, weight in policy.named_parameters():
                each = getattr(weight, "grad_sample", None)
                if weight.requires_grad and (each is None or len(each) != 2):
                    raise _not_taken(student, f"of {name}")
        yield
    finally:
        for weight in learnt:
            weight.requires_grad_(True)


@contextmanager
def _gradients_apart(student: Student) -> Iterator[None]:
    """Lets each row's gradient be kept beside a weight while the block runs."""
    from opacus import GradSampleModule

    for module in student.policy.modules():
        learns = any(each.requires_grad for each in module.parameters(recurse=False))
        if learns and type(module) not in GradSampleModule.GRAD_SAMPLERS:
            raise _not_taken(student, f"of {type(module).__name__}")
    rectified = [each for each in student.policy.modules() if isinstance(each, nn.ReLU)]
    before = [each.inplace for each in rectified]
    for each in rectified:
        each.inplace = False  # What goes in is still needed.
    taken: Any = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of hooks on what is no layer's input.
            taken = GradSampleModule(student.policy, loss_reduction="sum")
            yield
    finally:
        if taken is not None:
            taken.to_standard_module()
        for each, inplace in zip(rectified, before, strict=True):
            each.inplace = inplace


def _not_taken(student: Student, what: str) -> ArgumentError:
    encoder = getattr(student.parameters, "encoder", "this encoder")
    return ArgumentError(
        f"{encoder} cannot learn with privacy, since opacus cannot take gradients apart "
        f"{what}: use encoder=mlp"
    )


def _nothing(student: Student) -> Batch:
    """Two steps in which nothing is sensed and nothing is done."""
    learner = student.learner
    seen = {
        key: np.zeros((2, *(space.shape or ())), space.dtype)
        for key, space in learner.observation_space.spaces.items()
    }
    actions = np.zeros((2, *(learner.action_space.shape or ())), learner.action_space.dtype)
    return Batch(seen, actions, np.zeros(2, np.float32))

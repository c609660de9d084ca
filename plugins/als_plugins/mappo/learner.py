"""`mappo`: PPO for one avatar or many, in plain torch over rows of worlds.

All rows share one network, and go through it together. Hyperparameters mean what they mean for
Stable-Baselines3's PPO; `MappoParameters` has what is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from als_engine.agents.agent import Observation, Progress, Training
from als_engine.agents.masks import mask_size
from als_engine.agents.saving import TRAINING
from als_engine.errors import SavedFileError
from als_engine.limits import STEPS, check_memory
from als_engine.seeding import Generators, spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.encoders.tuning import SHIFT, moved_pictures, shifted
from als_plugins.learners.clock import Clock, UpdateLog
from als_plugins.learners.network_learner import NetworkLearner, masks_apart
from als_plugins.learners.reader import Reader
from als_plugins.learners.row_wise import choose
from als_plugins.learners.setup import adam, device, few_threads
from als_plugins.mappo.building import actor_space, build, check_networks
from als_plugins.mappo.collecting import Collector, Rollouts, inside, tensors
from als_plugins.mappo.heads import Choices, Distribution, Normal
from als_plugins.mappo.holding import act_and_hold, decide_anew
from als_plugins.mappo.memory import Past
from als_plugins.mappo.network import Judgement, Network
from als_plugins.mappo.parameters import MappoParameters
from als_plugins.mappo.rollout import Batch, Rollout
from als_plugins.mappo.student import MappoStudent
from als_plugins.optimizer_state import expected_arrays, optimizer_arrays, restore_optimizer

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows
    from als_plugins.learners.student import Student
    from als_plugins.mappo.guidance import Guidance

__all__ = ["Mappo"]


class Mappo(NetworkLearner):
    """PPO over all rows of all worlds at once (Schulman et al. 2017; Yu et al. 2022)."""

    id: ClassVar[str] = "mappo"
    parameters_class: ClassVar[type[MappoParameters]] = MappoParameters
    parameters: MappoParameters
    paths: ClassVar[tuple[str, ...]] = (*NetworkLearner.paths, "demonstrations")
    data = ("demonstrations",)
    tells_advantages: ClassVar[bool] = True
    shapes: ClassVar[tuple[str, ...]] = (
        *NetworkLearner.shapes,
        "critic",
        "networks",
        "memory",
        "memory_size",
        "memory_steps",
    )

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Checks the hyperparameters; the network is built when it is first needed.

        Raises:
            ArgumentError: as `NetworkLearner`; there is no picture to move, no such sensor for the
                critic, none left for the actor, or no such network.
        """
        super().__init__(observation_space, action_space, **hyperparameters)
        self.reads_masks = self.parameters.use_masks
        self._pictures = moved_pictures(observation_space, self.parameters.augment)
        self._actor_space = actor_space(observation_space, self.parameters.critic)
        check_networks(self.parameters, self._actor_space)
        self._policy: Network | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._guidance: Guidance | None = None
        self._judges: Callable[..., Judgement] | None = None
        self._steps = 0
        self._draws: torch.Generator | None = None

    @property
    def policy(self) -> Network:
        """The network."""
        if self._policy is None:
            with Generators(spread("weights", 0)):
                self._policy = self._build()
        return self._policy

    def begin(self) -> None:
        """Makes the network, drawn with torch's generator, unless it is there."""
        if self._policy is None:
            self._policy = self._build()

    def student(self) -> Student:
        """See `NetworkLearner.student`."""
        return MappoStudent(self)

    def continuing(self) -> dict[str, Any]:
        """See `NetworkLearner.continuing`."""
        parameters = self.parameters
        ends = {
            "ent_coef": moved(parameters.ent_coef, parameters.ent_coef_end, 0.0),
            "target_kl": parameters.target_kl_end or parameters.target_kl,
        }
        nobody = {"imitate": 0, "demonstrations": None}
        plain = {"ent_coef_end": None, "target_kl_end": None, "overlap": False, "compile": False}
        return {**super().continuing(), **ends, **nobody, **plain}

    def reader(self) -> Reader:
        """See `NetworkLearner.reader`."""
        network = deepcopy(self.policy).cpu().eval().requires_grad_(False)
        return Reader(network.features, network.read)

    def network_space(self) -> gymnasium.spaces.Dict:
        """What the actor reads: all but the critic's own sensors."""
        return self._actor_space

    def _build(self) -> Network:
        return build(
            self.parameters,
            self._actor_space,
            self.observation_space,
            self.action_space,
            self._pretrained,
        )

    # -- acting -----------------------------------------------------------------------------------

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """See `NetworkLearner.act`; with `hold` rows decide anew only where a decision is over."""
        if self.parameters.hold == 1:
            return super().act(observation, state, deterministic)
        decide = partial(super().act, deterministic=deterministic)
        return act_and_hold(decide, self.parameters.hold, self.action_space, observation, state)

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """See `NetworkLearner.restart`; rows that begin decide at once."""
        begun = super().restart(state, rows, seeds)
        return decide_anew(begun, None if state is None else state.held, rows)

    def _choose(
        self,
        observation: Observation,
        memory: tuple[NDArray[Any], ...] | None,
        generators: Sequence[np.random.Generator] | None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """The best actions of a chunk, or with generators sampled ones."""
        self.policy.eval()
        past = None if memory is None else self._goes_on(memory[0])
        policy, known = self.masked_distribution(observation, past)
        after = None if known is None else (known.cpu().numpy(),)
        if generators is None:
            return self.inside(policy.best()), after
        if isinstance(policy, Choices):
            return policy.joined([choose(log.exp(), generators) for log in policy.logs]), after
        assert isinstance(policy, Normal)
        noise = np.zeros(policy.mean.shape, np.float32)
        for row, generator in enumerate(generators):
            noise[row] = generator.standard_normal(noise.shape[1])
        drawn = policy.mean + policy.deviation * torch.as_tensor(noise, device=policy.mean.device)
        return self.inside(drawn.reshape(policy.best().shape)), after

    def _goes_on(self, memory: NDArray[Any]) -> Past:
        """Another step after what is remembered, (layers, rows, size); zeros begin an episode."""
        state = torch.from_numpy(memory).to(self._device())
        return Past(state, torch.zeros(1, state.shape[1], dtype=torch.bool, device=state.device))

    def _device(self) -> torch.device:
        return next(self.policy.parameters()).device

    def inside(self, actions: Tensor) -> NDArray[Any]:
        """Actions as the worlds take them: numbers are clipped to the bounds of the space."""
        return inside(self.action_space, actions)

    # -- saving -----------------------------------------------------------------------------------

    def save_training(self, folder: Path) -> None:
        """Writes the optimizer, the number of steps and the random state."""
        assert self._optimizer is not None
        with self._training:
            state = self._training_state(optimizer_arrays(self._optimizer))
            write_tensors(folder / TRAINING, state)

    def _training_state(self, optimizer: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        assert self._draws is not None
        return {
            **{f"optimizer/{name}": array for name, array in optimizer.items()},
            "steps": np.array(self._steps, np.int64),
            "random": torch.get_rng_state().numpy(),
            "draws": self._draws.get_state().numpy(),
        }

    def _load_training(self, folder: Path) -> None:
        assert self._optimizer is not None
        assert self._draws is not None
        like = self._training_state(expected_arrays(self._optimizer))
        states = [name for name in like if name.startswith("optimizer/")]
        found = read_tensors(folder / TRAINING, like, optional=states)
        try:
            mine = {n.partition("/")[2]: found[n] for n in states if n in found}
            restore_optimizer(self._optimizer, mine)
            steps = int(found["steps"])
            if not 0 <= steps <= STEPS:
                raise ValueError(f"steps is {steps}, and should be from 0 to {STEPS}")
            torch.set_rng_state(torch.tensor(found["random"]))
            self._draws.set_state(torch.tensor(found["draws"]))
        except (ValueError, TypeError, RuntimeError) as error:
            message = f"{folder / TRAINING} does not fit this training: {error}"
            raise SavedFileError(message) from error
        self._steps = steps

    # -- learning ---------------------------------------------------------------------------------

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains; a learner that has weights goes on from them."""
        self._training = Generators(spread("learner", training.seed))
        with self._training, few_threads(self.observation_space):
            return self._learn(rows, training)

    def _learn(self, rows: Rows, training: Training) -> Progress:
        self._steps = 0
        if training.resume is None:
            self.begin()
        else:
            self.load_weights(training.resume)
        network = self.policy.to(device(training.device))
        self._judges = torch.compile(network) if self.parameters.compile else network
        self._optimizer = self._adam()
        self._draws = torch.Generator(self._device())
        self._draws.manual_seed(spread("actions in training", training.seed))
        if training.resume is not None:
            self._load_training(training.resume)
        log = UpdateLog(training, rows.recent)
        shown = -(-self.parameters.imitate // rows.num_rows) * rows.num_rows

        def progress(steps: int) -> Progress:
            done = training.progress(steps, rows.recent, min(steps, shown))
            return done if self._guidance is None else self._guidance.counted(done)

        clock = Clock(training, progress, self._steps)
        if self.parameters.demonstrations is not None:
            from als_plugins.mappo.guidance import Guidance

            self._guidance = Guidance(self, rows, training, max(shown, self._steps))
        rows.seed(training.seed)
        with self._rollouts(rows, training) as rollouts:
            if self._steps < shown:
                self._imitate(rows, training, log, clock)
            if 0 < shown == self._steps:
                self._optimizer = self._adam()
            rows.reset()
            if shown <= self._steps < training.steps:
                self._reinforce(rollouts, training, log, clock)
        network.eval()
        done = progress(self._steps)
        self._guidance = None
        training.on_progress(done)
        return done

    def _reinforce(
        self, rollouts: Rollouts, training: Training, log: UpdateLog, clock: Clock
    ) -> None:
        """Learns from one rollout after the other, up to the last step or until it shall stop."""
        network, optimizer = self.policy, self._optimizer
        assert optimizer is not None

        def on_step(steps: int) -> None:
            clock.report(self._steps + steps)

        rollout = rollouts.next(network, on_step)
        while rollout is not None:
            self._steps += rollout.size * self.parameters.hold
            if more := self._steps < training.steps:
                rollouts.begin(network)
            network.train()
            found = self._update(rollout, optimizer, training)
            rollouts.give_back(rollout)
            rollouts.wait()
            log.add(found, self._steps)
            clock.report(self._steps)
            clock.check(self._steps)
            rollout = rollouts.next(network, on_step) if more else None

    def _imitate(self, rows: Rows, training: Training, log: UpdateLog, clock: Clock) -> None:
        """Is shown what to do, up to `imitate` steps or until it is told to stop."""
        # Whoever only acts needs none of it.
        from als_plugins.mappo.guidance import imitate_yardstick

        def after_step(steps: int) -> None:
            self._steps = steps
            clock.report(steps)
            clock.check(steps)

        assert self._optimizer is not None
        imitate_yardstick(self, self._optimizer, rows, training, self._steps, log, after_step)

    def _rollouts(self, rows: Rows, training: Training) -> Rollouts:
        parameters, draws = self.parameters, self._draws
        assert draws is not None
        steps, masks = parameters.steps_for(rows.num_rows), self._mask_size()
        values = sum(math.prod(space.shape or ()) for space in self.observation_space.values())
        remembered = math.prod(self._memory_shape() or (0,)) // parameters.together
        kept = 4 * steps * rows.num_rows * (values + masks + remembered)
        check_memory(f"{self.id}: {steps} steps", kept * (2 if parameters.overlap else 1))
        return Rollouts(
            Collector(rows, parameters, draws, self._guidance),
            lambda: Rollout(
                steps, rows, masks, self._device(), parameters.together, self._memory_shape()
            ),
            training.should_stop,
            parameters.overlap,
        )

    def _memory_shape(self) -> tuple[int, int] | None:
        empty = self.policy.empty_memory(1)
        return None if empty is None else (len(empty), empty.shape[2])

    def _adam(self) -> torch.optim.Optimizer:
        return adam(self.policy, self.parameters.learning_rate, self.parameters.weight_decay)

    def _mask_size(self) -> int:
        """How many choices are masked; 0 where there is nothing to rule out."""
        return mask_size(self.action_space) if self.parameters.use_masks else 0

    def tensors(self, observation: Observation) -> dict[str, Tensor]:
        """An observation as the network reads it, on its device."""
        return tensors(observation, self._device())

    def masked_distribution(
        self, observation: Observation, past: Past | None = None
    ) -> tuple[Distribution, Tensor | None]:
        """What to do, nothing that an action mask rules out, and what is remembered then."""
        sensed, masks = masks_apart(observation)
        possible = None if masks is None else torch.from_numpy(masks).to(self._device())
        return self.policy.act(self.tensors(sensed), possible, past)

    def _update(
        self, rollout: Rollout, optimizer: torch.optim.Optimizer, training: Training
    ) -> dict[str, float]:
        """Passes over the rollout; returns what is logged of it."""
        parameters, network = self.parameters, self.policy
        # Of the training when the rollout began: after the last one nothing is left.
        left = max(0.0, 1.0 - (self._steps - rollout.size * parameters.hold) / training.steps)
        for group in optimizer.param_groups:
            group["lr"] = parameters.learning_rate * (left if parameters.anneal else 1.0)
        if parameters.normalise_value:
            network.scale.learn(rollout.returns)
        guidance = self._guidance
        weight = 0.0 if guidance is None else guidance.take(rollout, self._steps)
        entropy = moved(parameters.ent_coef, parameters.ent_coef_end, left)
        furthest = parameters.target_kl
        if furthest is not None:
            furthest = moved(furthest, parameters.target_kl_end, left)
        sums: dict[str, Tensor] = {}
        batches = 0
        for _ in range(parameters.n_epochs):
            for batch in rollout.batches(parameters.batch_size):
                loss, found = self._loss(batch, entropy)
                if furthest is not None and float(found["train/approx_kl"]) > 1.5 * furthest:
                    return _means(sums, batches, rollout)
                if guidance is not None and weight:
                    unlike = guidance.loss(parameters.batch_size)
                    loss = loss + weight * unlike
                    found["train/demonstrations_loss"] = unlike.detach()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), parameters.max_grad_norm)
                optimizer.step()
                batches += 1
                for name, value in found.items():
                    sums[name] = sums[name] + value if name in sums else value
        return _means(sums, batches, rollout)

    def _loss(self, batch: Batch, entropy_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        parameters, network = self.parameters, self.policy
        assert self._judges is not None
        policy, values, _ = self._judges(self.augmented(batch.observation), batch.masks, batch.past)
        log_ratio = policy.log_prob(batch.actions) - batch.log_probs
        ratio, advantages = log_ratio.exp(), batch.advantages
        if parameters.normalise_advantage and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        clip = parameters.clip_range
        gain = torch.min(advantages * ratio, advantages * ratio.clamp(1.0 - clip, 1.0 + clip))
        wanted, before = network.scale.scaled(batch.returns), network.scale.scaled(batch.values)
        if parameters.clip_value is not None:
            reach = parameters.clip_value
            values = before + (values - before).clamp(-reach, reach)
        value_loss = (wanted - values).square().mean()
        entropy = policy.entropy().mean()
        loss = -gain.mean() + parameters.vf_coef * value_loss - entropy_weight * entropy
        with torch.no_grad():
            found = {
                "train/approx_kl": ((ratio - 1.0) - log_ratio).mean(),
                "train/clip_fraction": ((ratio - 1.0).abs() > clip).float().mean(),
                "train/entropy": entropy.detach(),
                "train/policy_loss": -gain.mean(),
                "train/value_loss": value_loss.detach(),
            }
        return loss, found

    def augmented(self, observation: dict[str, Tensor]) -> dict[str, Tensor]:
        """An observation as it is learnt from."""
        if not self._pictures:
            return observation
        return {
            key: shifted(array, SHIFT) if key in self._pictures else array
            for key, array in observation.items()
        }


def moved(begin: float, end: float | None, left: float) -> float:
    """A value on the straight line from `begin` to `end`, with a part of the way `left`."""
    return begin if end is None else end + left * (begin - end)


def _means(sums: dict[str, Tensor], batches: int, rollout: Rollout) -> dict[str, float]:
    """What the batches had on average, and how much of the returns the critic explains."""
    means = {name: float(value) / batches for name, value in sums.items()} if batches else {}
    variance = float(rollout.returns.var())
    unexplained = float((rollout.returns - rollout.values).var())
    if variance > 0.0:
        means["train/explained_variance"] = 1.0 - unexplained / variance
    return means

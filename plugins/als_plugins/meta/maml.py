"""`maml`: a policy from which a few gradient steps go far, over the tasks of a scenario.

A step of the training draws tasks. Each task's worlds play an episode each, weights adapt to that,
and with them the worlds play another. MAML (Finn et al. 2017) learns the weights from which that
goes best, with second-order gradients or without; Reptile (Nichol et al. 2018) moves to where they
lead; "joint" does not adapt, and learns all tasks together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, vmap

from als_engine.agents.agent import Learner, Observation, Progress, Training
from als_engine.agents.saving import TRAINING, WEIGHTS
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import STEPS, check_memory
from als_engine.seeding import RowGenerators, spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.imitation.sources import Demonstrator
from als_plugins.learners.clock import Clock, UpdateLog
from als_plugins.learners.flat_numbers import FlatNumbers
from als_plugins.learners.hyperparameters import parse
from als_plugins.learners.row_wise import CHUNK, RowWise, choose, filled
from als_plugins.meta.maml_parameters import MAMLParameters
from als_plugins.meta.networks import Weights
from als_plugins.meta.policies import (
    Batch,
    Played,
    SmallPolicy,
    Ways,
    adapted,
    advantages,
    clipped_loss,
    collect,
    kl_of,
    log_likelihood,
    named_arrays,
    stacked,
)
from als_plugins.meta.tasks import TaskLevels, parse_tasks
from als_plugins.optimizer_state import expected_arrays, optimizer_arrays, restore_optimizer

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows
    from als_plugins.meta.trials import Tasks

__all__ = ["MAML"]

CRITIC_RATE = 3e-3

IMITATING = 60
"""Gradient steps after each episode in which somebody shows what to do."""

SLOW = 0.9
"""Of the running deviation of advantages, how much each step of the training keeps."""


class MAML(Learner):
    """Learns weights from which policy gradients adapt to a task; see the module."""

    id: ClassVar[str] = "maml"
    samples: ClassVar[bool] = True
    shapes: ClassVar[tuple[str, ...]] = ("net_arch", "things")

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Makes the networks.

        Raises:
            ArgumentError: a hyperparameter is unknown or not allowed, a sensor is a picture, the
                actions are not discrete, or there is no such task distribution.
        """
        self.parameters = given = parse(self.id, MAMLParameters, hyperparameters)
        self.tasks = parse_tasks(given.tasks)
        if not isinstance(action_space, Discrete):
            raise ArgumentError(f'{self.id} takes action_mode="discrete" alone')
        self._numbers = numbers = FlatNumbers(self.id, observation_space)
        super().__init__(observation_space, action_space, **given.model_dump())
        self._shape = (numbers.size, numbers.tables, given.net_arch, given.things)
        self._scale, self._loaded = 1.0, False
        self._rows = RowGenerators(0)
        self._made, self._steps, self._showed = 0, 0, 0
        self._source: Demonstrator | None = None
        self._begin(0)

    def _begin(self, seed: int) -> None:
        """Draws the weights, and makes their optimizers."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            assert isinstance(self.action_space, Discrete)
            self.net = SmallPolicy(*self._shape, int(self.action_space.n))
            self.critic = SmallPolicy(*self._shape, 1)
        self.weights: Weights = self.net.weights()
        for value in self.weights.values():
            value.requires_grad_(True)
        rate = self.parameters.learning_rate
        self._optimizer = torch.optim.Adam(self.weights.values(), rate)
        self._critics = torch.optim.Adam(self.critic.parameters(), CRITIC_RATE)

    # -- acting -----------------------------------------------------------------------------------

    def seed(self, seed: int) -> None:
        """See `Agent.seed`."""
        self._rows = RowGenerators(seed)

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """See `Agent.act`; each row draws with a generator of its own."""
        numbers = self._numbers({key: observation[key] for key in self.observation_space.spaces})
        generators = self._rows.of(state, len(numbers))
        found = np.zeros(len(numbers), np.int64)
        for first in range(0, len(numbers), CHUNK):
            some = numbers[first : first + CHUNK]
            with torch.no_grad(), RowWise():
                scores = functional_call(self.net, self.weights, (torch.from_numpy(filled(some)),))
            last = first + len(some)
            if deterministic:
                found[first:last] = scores.argmax(-1).numpy()[: len(some)]
            else:
                drawn = choose(torch.softmax(scores, -1), generators[first:last])
                found[first:last] = drawn[: len(some)]
        return found, generators

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Gives rows that begin a new generator."""
        return self._rows.restarted(state, rows, seeds)

    # -- saving -----------------------------------------------------------------------------------

    def _named(self) -> dict[str, NDArray[Any]]:
        return {
            **named_arrays(self.weights, "policy/"),
            **named_arrays(dict(self.critic.named_parameters()), "critic/"),
            "scale": np.array(self._scale, np.float64),
        }

    def save_weights(self, folder: Path) -> None:
        """Writes policy, critic, and the scale of advantages."""
        write_tensors(folder / WEIGHTS, self._named())

    def load_weights(self, folder: Path) -> None:
        """Reads them.

        Raises:
            SavedFileError: they are not of this shape, or damaged.
        """
        found = read_tensors(folder / WEIGHTS, self._named())
        scale = float(found["scale"])
        if not 0.0 < scale < 1e9:
            raise SavedFileError(f"{folder / WEIGHTS}: the scale of advantages is {scale:g}")
        self._scale, self._loaded = scale, True
        with torch.no_grad():
            for name, value in self.weights.items():
                value.copy_(torch.from_numpy(found[f"policy/{name}"].copy()))
            for name, value in self.critic.named_parameters():
                value.copy_(torch.from_numpy(found[f"critic/{name}"].copy()))

    def _training_state(self, made: Callable[[Any], dict[str, NDArray[Any]]]) -> dict[str, Any]:
        both = {"policy": self._optimizer, "critic": self._critics}
        arrays = {f"{k}/{n}": a for k, each in both.items() for n, a in made(each).items()}
        counts = np.array([self._made, self._steps, self._showed], np.int64)
        return {**arrays, "counts": counts}

    def save_training(self, folder: Path) -> None:
        """Writes the optimizers and how far the training has come."""
        write_tensors(folder / TRAINING, self._training_state(optimizer_arrays))

    def _load_training(self, folder: Path) -> None:
        path = folder / TRAINING
        like = self._training_state(expected_arrays)
        found = read_tensors(path, like, optional=[name for name in like if name != "counts"])
        counts = found.pop("counts").tolist()
        if min(counts) < 0 or max(counts) > STEPS:
            raise SavedFileError(f"{path} does not fit this training: its counts are out of range")
        try:
            for kind, optimizer in (("policy", self._optimizer), ("critic", self._critics)):
                prefix = f"{kind}/"
                mine = {n.removeprefix(prefix): a for n, a in found.items() if n.startswith(prefix)}
                restore_optimizer(optimizer, mine)
        except ValueError as error:
            raise SavedFileError(f"{path} does not fit this training: {error}") from error
        self._made, self._steps, self._showed = counts

    # -- learning ---------------------------------------------------------------------------------

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains on the tasks of the split; see `Learner.learn`."""
        from als_engine.agents.curriculum.replay import ReplayRows

        if isinstance(rows, ReplayRows):
            raise ArgumentError(f"{self.id} chooses its levels by their task: leave curricula out")
        each = self.parameters.episodes
        if rows.num_worlds % each:
            raise ArgumentError(
                f"{self.id} plays {each} episodes of each task, a world for each: "
                f"{rows.num_worlds} worlds cannot be divided by {each}"
            )
        check_memory("the steps of an episode", 8 * self._numbers.size * rows.num_rows * 1_000)
        split = rows.arguments.get("split", "train")
        levels = TaskLevels(self.tasks, rows.scenario, split, rows.arguments, rows.observers)
        if training.resume is not None:
            self.load_weights(training.resume)
            self._load_training(training.resume)
        elif not self._loaded:
            self._begin(spread("learner", training.seed))

        def progress(steps: int) -> Progress:
            return training.progress(steps, rows.recent, self._showed)

        if self.parameters.imitate:
            self._source = Demonstrator.belonging_to(rows, self.parameters.imitate_from)
            self._source.begin(rows, training.seed)
        clock, log = Clock(training, progress, self._steps), UpdateLog(training, rows.recent)
        rows.spread_for("tasks of maml")
        while self._steps < training.steps:
            told = self._update(rows, levels, training)
            if told is None:
                break
            log.add(told, self._steps)
            clock.report(self._steps)
            clock.check(self._steps)
        _draw_again(rows)
        done = progress(self._steps)
        training.on_progress(done)
        return done

    def _update(self, rows: Rows, levels: Tasks, training: Training) -> dict[str, float] | None:
        """One draw of tasks, and what is learnt from it; None where it was told to stop."""
        given, each = self.parameters, self.parameters.episodes
        tasks = rows.num_worlds // each
        rng = np.random.default_rng([spread("tasks of maml", training.seed), self._made])
        before, after = list[int](), list[int]()
        for _ in range(tasks):
            coming = levels.draw(rng)[1]
            before += [next(coming) for _ in range(each)]
            after += [next(coming) for _ in range(each)]
        showing = self._steps < given.imitate
        # Who shows what to do acts less and less often, and not at all in the second half.
        part = max(0.0, 1.0 - 2.0 * self._steps / given.imitate) if showing else 0.0
        shows = None
        if showing:
            assert self._source is not None
            shows = partial(self._source.actions, rows), part

        def play(weights: Weights, which: list[int]) -> Played | None:
            rows.seed(training.seed + self._made)
            return collect(
                self.net, weights, self._numbers, rows, which, rng, training.should_stop,
                shows=shows,
            )  # fmt: skip

        now = {name: value.detach() for name, value in self.weights.items()}
        first = play(stacked(now, tasks), before)
        if first is None:
            return None
        if showing:
            self._steps, self._made = self._steps + first.steps, self._made + 1
            self._showed += first.steps
            return {"meta/imitation": self._imitate(first, tasks)}
        one = self._judged(first, tasks)
        ways = Ways(given.inner, given.rate, second_order=given.algorithm == "maml")
        theirs = stacked(now, tasks)
        if given.algorithm != "joint":
            theirs = self._all_adapted(now, one, Ways(given.inner, given.rate))
        second = play({name: value.detach() for name, value in theirs.items()}, after)
        if second is None:
            return None
        two = self._judged(second, tasks)
        self._steps, self._made = self._steps + first.steps + second.steps, self._made + 1
        if given.algorithm == "reptile":
            self._move(theirs, two)
        else:
            self._descend(one, two, ways)
        totals = (each.reward.sum(1).mean() for each in (first, second))
        return dict(zip(("meta/return_before", "meta/return_after"), totals, strict=True))

    def _all_adapted(self, weights: Weights, batch: Batch, ways: Ways) -> Weights:
        def one(*columns: Tensor) -> Weights:
            return adapted(self.net, weights, columns, ways)

        found: Weights = vmap(one)(*batch.columns())
        return found

    def _judged(self, played: Played, tasks: int, learns: bool = True) -> Batch:
        """Advantages by the critic, which learns from what was played."""
        with torch.no_grad():
            values = self.critic(played.numbers)[..., 0].double().numpy() * self._scale
        found, returns = advantages(played, values, self.parameters.gamma)
        if learns:
            deviation = max(float(found[played.counts].std()), 1e-6)
            before = self._scale if self._made else deviation
            wanted = torch.from_numpy(returns[played.counts].astype(np.float32)) / self._scale
            seen = played.numbers[torch.from_numpy(played.counts)]
            for _ in range(4):
                self._critics.zero_grad()
                error = (self.critic(seen)[..., 0] - wanted).square().mean()
                error.backward()
                self._critics.step()
            self._scale = SLOW * before + (1.0 - SLOW) * deviation
        return played.batch(found / self._scale, tasks)

    def _imitate(self, played: Played, tasks: int) -> float:
        """Learns what the expert would have done; the critic learns what came of it."""
        self._judged(played, tasks)
        there = torch.from_numpy(played.counts)
        seen, shown = played.numbers[there], played.action[there]
        loss = torch.zeros(())
        rng = np.random.default_rng(self._steps)
        for _ in range(IMITATING):
            some = torch.from_numpy(rng.integers(len(seen), size=256))
            self._optimizer.zero_grad()
            loss = -log_likelihood(self.net, self.weights, seen[some], shown[some]).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        return float(loss.detach())

    def _descend(self, one: Batch, two: Batch, ways: Ways) -> None:
        """Adam on what the adapted weights bring; without adapting on both halves alike."""
        given, net, cost = self.parameters, self.net, self.parameters.entropy

        def of_task(first: tuple[Tensor, ...], then: tuple[Tensor, ...]) -> Tensor:
            if given.algorithm == "joint":
                both = (clipped_loss(net, self.weights, each, cost) for each in (first, then))
                return 0.5 * sum(both, torch.zeros(()))
            after = adapted(net, self.weights, first, ways)
            return clipped_loss(net, after, then, cost)

        for _ in range(given.epochs):
            self._optimizer.zero_grad()
            vmap(of_task)(one.columns(), two.columns()).mean().backward()
            self._optimizer.step()

    def _move(self, theirs: Weights, two: Batch) -> None:
        """Reptile: a step on what came after adapting as well, and towards where all have gone."""
        given = self.parameters

        def on(weights: Weights, *columns: Tensor) -> Weights:
            return adapted(self.net, weights, columns, Ways(given.inner, given.rate))

        after: Weights = vmap(on)(theirs, *two.columns())
        size = min(1.0, 100.0 * given.learning_rate)
        with torch.no_grad():
            for name, value in self.weights.items():
                value += size * (after[name].mean(0) - value)

    # -- adapting ---------------------------------------------------------------------------------

    def adapt_on(
        self, rows: Rows, levels: Sequence[int], seed: int, ways: Ways, kl: float | None = None
    ) -> MAML:
        """An agent like this one that has adapted to an episode in each world.

        Args:
            rows: all of one task.
            levels: of each world.
            seed: of the worlds and the draws.
            ways: how it adapts.
            kl: how far it may go, as the mean KL divergence from this policy where that has been:
                the step is halved until it is no farther. None for any way.
        """
        rows.seed(seed)
        rng = np.random.default_rng(seed)
        now = {name: value.detach() for name, value in self.weights.items()}
        played = collect(self.net, stacked(now, 1), self._numbers, rows, levels, rng)
        _draw_again(rows)
        assert played is not None
        columns = tuple(each[0] for each in self._judged(played, 1, learns=False).columns())
        after = adapted(self.net, now, columns, ways)
        while kl is not None and kl_of(self.net, now, after, columns[0], columns[4]) > kl:
            after = {name: 0.5 * (now[name] + value) for name, value in after.items()}
        return self._with(after)

    def fresh(self, seed: int) -> MAML:
        """An agent of the same form that has learnt nothing."""
        made = MAML(self.observation_space, self.action_space, **self.config)
        made._begin(seed)
        return made

    def _with(self, weights: Weights) -> MAML:
        made = self.fresh(0)
        made._scale = self._scale
        with torch.no_grad():
            for name, value in made.weights.items():
                value.copy_(weights[name])
            for ours, theirs in zip(
                made.critic.parameters(), self.critic.parameters(), strict=True
            ):
                ours.copy_(theirs)
        return made


def _draw_again(rows: Rows) -> None:
    """Lets the worlds draw their own levels again."""
    from als_engine.simulation.levels import ITS_OWN  # Who acts in a sandbox makes no worlds.

    rows.worlds.coming_levels[:] = ITS_OWN

"""Evaluates an agent on a fixed set of episodes, and puts it between random and expert.

Episode `i` is the world reset with `spread("evaluation", seed, i)`, whichever world runs it and
however many run at once. What an agent gets out of it therefore depends on the agent alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_engine.agents.agent import Acting, Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import make_agent
from als_engine.checks import MAX_SEED, at_least_one, check_undecided, whole_number
from als_engine.envs.batch import Batch
from als_engine.evaluation.company import keep_company
from als_engine.evaluation.splits import REPORTING
from als_engine.evaluation.statistics import Interval, mean_interval
from als_engine.seeding import Generators, row_seeds, spread
from als_engine.simulation import simulate

if TYPE_CHECKING:
    from als_engine.evaluation.recording import Log, Recorder

__all__ = [
    "Evaluation",
    "Normalized",
    "Reference",
    "Runner",
    "evaluate",
    "normalise",
    "reference",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """The results of an agent in a fixed set of episodes.

    Attributes:
        scenario, arguments, observers, split, seed, use: which episodes.
        returns: (episodes,), the mean over the avatars that the agent drove.
        lengths: (episodes,), steps.
        metrics: the scenario's, at the end of each episode, (episodes,); `success` among them.
        terms: name to (episodes,), the return of each term of the reward.
        acting: how the agent chose its actions.
        company: the agent that drove the other avatars; None for behaviours.
    """

    scenario: str
    split: str
    seed: int
    returns: Floats
    lengths: NDArray[np.int64]
    metrics: Mapping[str, Floats]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    observers: int = 1
    terms: Mapping[str, Floats] = field(default_factory=dict)
    use: str = "evaluation"
    acting: Acting = "best"
    company: str | None = None

    @property
    def episodes(self) -> int:
        """The number of episodes."""
        return len(self.returns)

    @property
    def mean_return(self) -> Interval:
        """The mean return with its 95 percent interval."""
        return mean_interval(self.returns)

    @property
    def success(self) -> Interval:
        """The part of the episodes that succeeded with its 95 percent interval."""
        return mean_interval(self.metrics["success"])

    @property
    def mean_metrics(self) -> Mapping[str, float]:
        """The mean of each metric but the level, over the episodes that have it; else NaN."""
        found = {name: values for name, values in self.metrics.items() if name != "level"}
        known = {name: values[~np.isnan(values)] for name, values in found.items()}
        return {name: float(v.mean()) if v.size else math.nan for name, v in known.items()}


@dataclass(frozen=True)
class Reference:
    """The yardsticks on the same episodes.

    Attributes:
        random: 0 on the normalized scale.
        expert: 1 on the normalized scale; None where the scenario has no expert.
    """

    random: Evaluation
    expert: Evaluation | None


@dataclass(frozen=True)
class Normalized:
    """An agent's return where random is 0 and the expert is 1.

    Attributes:
        score: with its 95 percent interval; of the agent alone, the yardsticks are taken as exact.
        random, expert: the mean returns that it was measured against.
    """

    score: Interval
    random: float
    expert: float


def evaluate(
    agent: Agent,
    scenario: str,
    episodes: int = 100,
    *,
    split: str = REPORTING,
    seed: int = 0,
    num_worlds: int = 16,
    observers: int = 1,
    arguments: Mapping[str, Any] | None = None,
    deterministic: bool = False,
    scored: int | None = None,
    use: str = "evaluation",
    company: str | None = None,
    on_episode: Callable[[int], None] = lambda ended: None,
) -> Evaluation:
    """Runs an agent through `episodes` episodes.

    Args:
        agent: made for this scenario and these arguments.
        scenario: the id.
        episodes: how many.
        split: where the levels come from. Report on "test"; choose by "validation".
        seed: another one gives other episodes.
        num_worlds: how many run at once; makes no difference to the result of an agent that acts
            in each row by itself, as all of ours do: see `Agent.restart`.
        observers: how many avatars of each world the agent drives; background drives the others.
        arguments: keyword arguments of the scenario.
        deterministic: the best action where the rule of `acting` would sample one.
        scored: how many of the avatars that it drives count, the first ones; None for all.
        use: what the episodes are for; the same seed gives other ones for another use.
        company: the agent that drives the avatars which `agent` does not, as `keep_company` takes
            it; None for the scenario's behaviours.
        on_episode: called with the number of episodes that have ended.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    episodes = at_least_one("episodes", episodes)
    seed = whole_number("seed", seed, 0, MAX_SEED)
    given = dict(arguments or {})
    check_undecided(
        "evaluation", given, split="--split", seed="--seed", num_worlds="--worlds",
        worlds="--worlds", observers="--drive",
    )  # fmt: skip
    simulation = simulate(
        scenario, min(num_worlds, episodes), observers, **{**given, "split": split}
    )
    generators = Generators(spread(f"generators in {use}", seed))

    def told(ended: int) -> None:
        with generators.outside():
            on_episode(ended)

    try:
        if company is not None:
            keep_company(simulation, company)
        with generators:
            agent.seed(spread(f"agent in {use}", seed))
            batch = Batch(simulation, AutoresetMode.DISABLED)
            runner = Runner(batch, agent, range(episodes), partial(spread, use, seed), None, scored)
            runner.run(acting(agent, deterministic) == "best", told)
    finally:
        simulation.close()
    return Evaluation(
        scenario=scenario,
        split=split,
        seed=seed,
        returns=runner.returns,
        lengths=runner.lengths,
        metrics=runner.metrics,
        arguments=given,
        observers=observers,
        use=use,
        acting=acting(agent, deterministic),
        company=company,
        terms=dict(zip(simulation.reward_names, runner.terms.T, strict=True)),
    )


class Runner:
    """Gives every world that is free the next episode.

    Attributes:
        returns, lengths, metrics, terms: as `Evaluation` has them.
        terminated: (episodes,), whether the task ended it.
        logs: of every episode, where there is a recorder.
    """

    def __init__(
        self,
        batch: Batch,
        agent: Agent,
        episodes: range,
        seed_of: Callable[[int], int],
        recorder: Recorder | None = None,
        scored: int | None = None,
    ) -> None:
        """Takes worlds that do not begin again by themselves.

        Args:
            batch: the worlds.
            agent: made for them.
            episodes: their numbers, one after the other.
            seed_of: what the world of an episode is reset with, by the episode's number.
            recorder: of these worlds, to write down what happens.
            scored: how many avatars of those that are driven count, the first ones; None for all.
        """
        self.batch, self.agent, self._seed_of = batch, agent, seed_of
        self.recorder, self._first, self.episodes = recorder, episodes.start, len(episodes)
        simulation = batch.simulation
        self.num_worlds, self.observers = simulation.num_worlds, simulation.observers
        self._scored = self.observers if scored is None else scored
        self.returns: Floats = np.zeros(self.episodes)
        self.terms: Floats = np.zeros((self.episodes, len(simulation.reward_names)))
        self.lengths = np.zeros(self.episodes, np.int64)
        self.terminated = np.zeros(self.episodes, np.bool_)
        self.metrics: dict[str, Floats] = {}
        self.logs: dict[int, Log] = {}
        self._next = 0
        self._ended = 0
        # The episode that each world runs; -1 for a world that has nothing left to do.
        self._running = np.full(self.num_worlds, -1)

    def run(self, deterministic: bool, on_episode: Callable[[int], None]) -> None:
        """Plays all episodes; calls `on_episode` with the number of those that have ended."""
        self.agent.attach(_Rows(self))
        state = self._begin(None, np.ones(self.num_worlds, np.bool_))
        while self._ended < self.episodes:
            observations = {key: self.rows(a) for key, a in self.batch.observations.items()}
            seen = with_masks(self.agent, observations, self._masks)
            actions, state = self.agent.act(seen, state, deterministic)
            actions = actions.reshape(self.num_worlds, self.observers, *actions.shape[1:])
            self.batch.step(actions)
            if self.recorder is not None:
                self.recorder.step(actions)
            self._count()
            ended = self.batch.terminated | self.batch.truncated
            if ended.any():
                self._close(ended)
                on_episode(self._ended)
                if self._ended < self.episodes:
                    state = self._begin(state, ended)

    def _masks(self) -> NDArray[np.bool_]:
        return self.rows(self.batch.action_masks())

    def rows(self, array: NDArray[Any]) -> NDArray[Any]:
        """(worlds, observers, ...) to (rows, ...)."""
        return array.reshape(self.num_worlds * self.observers, *array.shape[2:])

    def _begin(self, state: Any, free: NDArray[np.bool_]) -> Any:
        which = np.flatnonzero(free).tolist()
        seeds: list[int | None] = [None] * self.num_worlds
        begun: list[int] = []
        rows: list[int] = []
        for world in which:
            episode = self._next if self._next < self.episodes else -1
            self._running[world] = episode
            self._next += 1
            # A world without a task goes round with the others; what it does counts for nothing.
            world_seed = self._seed_of(self._first + max(episode, 0))
            seeds[world] = world_seed
            begun.append(world_seed)
            rows += row_seeds(world_seed, self.observers)
        self.batch.reset(seeds, free)
        if self.recorder is not None:
            numbers = self._first + np.maximum(self._running[which], 0)
            self.recorder.begin(which, begun, numbers.tolist())
        return self.agent.restart(state, np.repeat(free, self.observers), rows)

    def _count(self) -> None:
        busy = self._running >= 0
        scored = slice(self._scored)
        self.returns[self._running[busy]] += self.batch.rewards[busy, scored].mean(axis=1)
        self.terms[self._running[busy]] += self.batch.terms[busy, scored].mean(axis=1)
        self.lengths[self._running[busy]] += 1

    def _close(self, ended: NDArray[np.bool_]) -> None:
        worlds = np.flatnonzero(ended & (self._running >= 0))
        for name, values in self.batch.metrics.items():
            if values.ndim == 1:
                kept = self.metrics.setdefault(name, np.full(self.episodes, math.nan))
                kept[self._running[worlds]] = values[worlds]
        self.terminated[self._running[worlds]] = self.batch.terminated[worlds]
        if self.recorder is not None:
            for world in worlds.tolist():
                self.logs[int(self._running[world])] = self.recorder.log(world)
        self._ended += len(worlds)


class _Rows:
    """The worlds as an expert is asked: one action for each row."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        return self._runner.rows(self._runner.batch.expert_actions(rule))


_references: dict[str, Reference] = {}


def reference(evaluation: Evaluation) -> Reference:
    """Random and expert on the episodes of an evaluation; kept for as long as the process lives."""
    # What the agent perceives makes no difference to those who do not look, except in time.
    arguments = {**evaluation.arguments, "sensors": ["proprioception"]}
    episodes, observers = evaluation.episodes, evaluation.observers
    scenario, split = evaluation.scenario, evaluation.split
    seed, use, company = evaluation.seed, evaluation.use, evaluation.company
    which = [scenario, split, seed, use, company, episodes, observers, arguments]
    key = json.dumps(which, sort_keys=True)
    if key not in _references:

        def run(id: str) -> Evaluation:
            return evaluate(
                make_agent(id, scenario, arguments),
                scenario,
                episodes,
                split=split,
                seed=seed,
                observers=observers,
                arguments=arguments,
                use=use,
                company=company,
            )

        expert: Evaluation | None
        try:
            expert = run("expert")
        except NotImplementedError:
            expert = None
        _references[key] = Reference(random=run("random"), expert=expert)
    return _references[key]


def normalise(evaluation: Evaluation) -> Normalized | None:
    """The return where random is 0 and the expert is 1, each measured on the same episodes.

    Returns:
        None when there is no expert, or it is not better than random.
    """
    yardsticks = reference(evaluation)
    if yardsticks.expert is None:
        return None
    random = float(yardsticks.random.returns.mean())
    expert = float(yardsticks.expert.returns.mean())
    if expert - random < 1e-9:
        return None
    score = mean_interval((evaluation.returns - random) / (expert - random))
    return Normalized(score, random, expert)

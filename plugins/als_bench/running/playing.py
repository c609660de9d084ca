"""Plays and records the episodes of a unit, and replays recorded episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_bench.records import EVALUATION_SEED, Chunk, EpisodeResult
from als_engine.agents.agent import Agent, acting
from als_engine.bodies.bounds import action_bounds
from als_engine.envs.batch import Batch
from als_engine.errors import ALSError, ArgumentError
from als_engine.evaluation.persons import episode_seed
from als_engine.evaluation.protocol import Runner
from als_engine.evaluation.recording import Recorder
from als_engine.plugins.specs import SuiteEntry
from als_engine.seeding import row_seeds, spread
from als_engine.simulation import Simulation, simulate

__all__ = ["NUM_WORLDS", "Setting", "Stage", "play", "replay", "world_seeds"]

NUM_WORLDS: Final = 16
"""Worlds that run at once; makes no difference to the result of an agent that acts in each row
by itself, as all of ours do: see `Agent.restart`."""

OWN: Final = ("success", "level")
"""Metrics that have a field of their own in `EpisodeResult`."""


def world_seeds(seed: int) -> Callable[[int], int]:
    """The seed of an episode's world, by the episode's number."""
    return partial(episode_seed, seed)


@dataclass(frozen=True)
class Setting:
    """Where and how episodes are played.

    Attributes:
        entry: of the suite.
        arguments: all keyword arguments of the scenario: the entry's, and the agent's sensors.
        split: "train", "validation" or "test": where the levels come from.
        origin: what the hash chains come from: see `claims.origin_of`.
        seed: episode `i` is the world reset with `world_seeds(seed)(i)`.
        level_key: of the levels; None for those that everybody knows. See `Simulation`.
        scored: how many avatars of those that are driven count, the first ones; None for all.
        num_worlds: how many run at once; a replay may have another number.
    """

    entry: SuiteEntry
    arguments: Mapping[str, Any]
    split: str
    origin: bytes
    seed: int = EVALUATION_SEED
    level_key: int | None = None
    scored: int | None = None
    num_worlds: int = NUM_WORLDS


class Stage:
    """Keeps the worlds that were used last: opening one takes 45 ms, and units are much alike."""

    def __init__(self) -> None:
        self._key: object = None
        self._simulation: Simulation | None = None

    def simulation(self, setting: Setting, episodes: int) -> Simulation:
        """Worlds for so many episodes, those of the last call where they are the same.

        Raises:
            UnknownIdError: there is no such scenario.
            ArgumentError: an argument is unknown or its value is not allowed.
        """
        entry, num_worlds = setting.entry, min(setting.num_worlds, episodes)
        arguments = {**setting.arguments, "split": setting.split}
        key = (entry.scenario, num_worlds, entry.observers, arguments)
        if self._simulation is None or key != self._key:
            self.close()
            self._simulation = simulate(entry.scenario, num_worlds, entry.observers, **arguments)
            self._key = key
        self._simulation.level_key = setting.level_key
        return self._simulation

    def close(self) -> None:
        """Frees the physics; the stage can be used again."""
        if self._simulation is not None:
            self._simulation.close()
            self._simulation = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def play(
    agent: Agent,
    setting: Setting,
    episodes: range,
    *,
    on_episode: Callable[[int], None] = lambda ended: None,
    stage: Stage | None = None,
) -> Chunk:
    """Lets an agent play some episodes of an entry; the same call gives the same bits.

    Args:
        agent: made for the entry's scenario and the setting's arguments.
        setting: where and how.
        episodes: their numbers within the unit, one after the other.
        on_episode: called with the number of episodes that have ended.
        stage: where to play; its worlds stay open for the next call.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown, or its value is not allowed.
    """
    if not len(episodes) or episodes.step != 1 or episodes.start < 0:
        raise ArgumentError(f"episodes must be some numbers in a row, got {episodes}")
    with _on(stage) as used:
        simulation = used.simulation(setting, len(episodes))
        agent.seed(spread("agent in benchmark", setting.seed, episodes.start))
        runner = _runner(simulation, agent, setting, episodes)
        runner.run(acting(agent, setting.entry.deterministic) == "best", on_episode)
    return _chunk(runner, episodes, setting.seed)


def replay(
    setting: Setting,
    chunk: Chunk,
    *,
    on_episode: Callable[[int], None] = lambda ended: None,
    stage: Stage | None = None,
) -> list[str]:
    """Simulates episodes again from their seeds and actions, and compares everything.

    Args:
        setting: as in `play`.
        chunk: what is claimed; its numbers may be anything.
        on_episode: called with the number of episodes that have ended.
        stage: where to play; its worlds stay open for the next call.

    Returns:
        What differs, one line for each episode, which names it and the step; empty when it holds.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown, or its value is not allowed.
    """
    if odd := _odd_numbers(chunk, setting.seed):
        return [odd]
    first = chunk.results[0].episode
    episodes = range(first, first + len(chunk.results))
    # What nobody looks at need not be seen: sensors change no trajectory.
    blind = {name: value for name, value in setting.arguments.items() if name != "frame_size"}
    with _on(stage) as used:
        simulation = used.simulation(
            replace(setting, arguments={**blind, "sensors": ()}), len(episodes)
        )
        if odd := _odd_actions(chunk, simulation):
            return [odd]
        runner = _runner(simulation, _Replayed(simulation, chunk), setting, episodes)
        try:
            runner.run(True, on_episode)
        except ALSError as error:
            return [f"episodes {first} to {episodes[-1]} cannot be played: {error}"]
    return list(_differences(chunk, _chunk(runner, episodes, setting.seed)))


def _runner(simulation: Simulation, agent: Agent, setting: Setting, episodes: range) -> Runner:
    batch = Batch(simulation, AutoresetMode.DISABLED)
    recorder = Recorder(simulation, setting.origin)
    return Runner(batch, agent, episodes, world_seeds(setting.seed), recorder, setting.scored)


def _chunk(runner: Runner, episodes: range, seed: int) -> Chunk:
    seed_of = world_seeds(seed)
    logs = [runner.logs[i] for i in range(len(episodes))]
    metrics = {n: values for n, values in sorted(runner.metrics.items()) if n not in OWN}
    results = tuple(
        EpisodeResult(
            episode=episode,
            seed=seed_of(episode),
            level=int(runner.metrics["level"][i]),
            length=int(runner.lengths[i]),
            total=float(runner.returns[i]),
            success=float(runner.metrics["success"][i]),
            terminated=bool(runner.terminated[i]),
            chain=int(logs[i].chain[-1]),
            metrics={name: float(values[i]) for name, values in metrics.items()},
        )
        for i, episode in enumerate(episodes)
    )
    actions, rewards, chain = (np.concatenate(parts) for parts in zip(*logs, strict=True))
    return Chunk(results, actions, rewards, chain)


class _Replayed(Agent):
    """Does in every row what a log says."""

    def __init__(self, simulation: Simulation, chunk: Chunk) -> None:
        super().__init__(simulation.observation_space, simulation.action_space)
        self._actions = chunk.actions
        lengths = np.array([result.length for result in chunk.results])
        self._last = np.cumsum(lengths) - 1
        self._start = self._last - lengths + 1
        self._observers = simulation.observers
        first = [row_seeds(result.seed, 1)[0] for result in chunk.results]
        self._place = {seed: place for place, seed in enumerate(first)}
        # Where in the log each world is.
        self._at = np.zeros(simulation.num_worlds, np.int64)
        self._end = np.zeros(simulation.num_worlds, np.int64)

    def act(
        self, observation: Mapping[str, NDArray[Any]], state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        actions = self._actions[self._at]
        # An episode that goes on after its log repeats the last action: it has another length.
        np.minimum(self._at + 1, self._end, out=self._at)
        return actions.reshape(-1, *actions.shape[2:]), None

    def restart(self, state: Any, rows: NDArray[np.bool_], seeds: Any = None) -> Any:
        worlds = np.flatnonzero(rows[:: self._observers])
        begun = [self._place[seed] for seed in seeds[:: self._observers]]
        self._at[worlds], self._end[worlds] = self._start[begun], self._last[begun]
        return None


def _on(stage: Stage | None) -> Any:
    """The stage, which stays open, or one for this call only."""
    from contextlib import nullcontext

    return Stage() if stage is None else nullcontext(stage)


def _odd_numbers(chunk: Chunk, seed: int) -> str:
    """What is wrong with a chunk's numbers before anything is played, or `''`."""
    results = chunk.results
    if not results:
        return "there are no episodes"
    seed_of = world_seeds(seed)
    for expected, result in enumerate(results, results[0].episode):
        if result.episode != expected:
            return f"episode {result.episode} stands where episode {expected} should"
        if result.seed != (right := seed_of(expected)):
            return f"episode {expected} has the seed {result.seed}, not {right}"
        if result.length < 1:
            return f"episode {expected} has {result.length} steps"
    steps = sum(result.length for result in results)
    for what in ("actions", "rewards", "chain"):
        if len(getattr(chunk, what)) != steps:
            logged = len(getattr(chunk, what))
            return f"the episodes have {steps} steps, but {what} of {logged} are in the log"
    return ""


def _odd_actions(chunk: Chunk, simulation: Simulation) -> str:
    """What is wrong with a log's arrays, or `''`."""
    actions, space = chunk.actions, simulation.action_space
    wanted = (simulation.observers, *(space.shape or ()))
    if actions.shape[1:] != wanted or chunk.rewards.shape[1:] != (simulation.observers,):
        return (
            f"the log's actions are {actions.shape[1:]} and its rewards {chunk.rewards.shape[1:]} "
            f"a step; actions of {wanted} were expected"
        )
    continuous = simulation.action_mode == "continuous"
    low, high = action_bounds(space)
    inside = (actions >= low) & (actions <= high)
    if not (actions.dtype == np.float32 if continuous else actions.dtype.kind in "iu"):
        return f"actions of {simulation.action_mode} mode cannot be {actions.dtype}"
    if not inside.all():
        step = int(np.argmin(inside.reshape(len(actions), -1).all(axis=1)))
        return f"{_place(chunk, step)}: an action is not in {space}"
    return ""


def _place(chunk: Chunk, at: int) -> str:
    """Which episode and step a row of the log belongs to."""
    for result in chunk.results:
        if at < result.length:
            return f"episode {result.episode}, step {at}"
        at -= result.length
    raise IndexError(at)


def _differences(claimed: Chunk, found: Chunk) -> Iterator[str]:
    """One line for each episode that was found to be otherwise."""
    at = there = 0
    for one, two in zip(claimed.results, found.results, strict=True):
        here = slice(at, at + one.length), slice(there, there + two.length)
        steps = min(one.length, two.length)
        lines = [
            _first(name, what, getattr(claimed, name)[here[0]], getattr(found, name)[here[1]])
            for name, what in (("chain", "hash"), ("rewards", "reward"))
        ]
        known = [line for line in lines if line[0] < steps]
        if known:
            step, line = min(known)
            yield f"episode {one.episode}, step {step}: {line}"
        elif one.length != two.length:
            line = f"ends after {two.length} steps, not {one.length} as claimed"
            yield f"episode {one.episode}, step {steps}: {line}"
        else:
            yield from _other_fields(one, two)
        at, there = at + one.length, there + two.length


def _first(name: str, what: str, one: NDArray[Any], two: NDArray[Any]) -> tuple[int, str]:
    """The first step in which two logs differ, and how; their common length where they do not."""
    steps = min(len(one), len(two))
    # Bits, so that one NaN is like another, and 0.0 unlike -0.0.
    bits = [np.ascontiguousarray(a[:steps]).view(np.uint64).reshape(steps, -1) for a in (one, two)]
    differs = (bits[0] != bits[1]).any(axis=1)
    if not differs.any():
        return steps, ""
    step = int(np.argmax(differs))
    if name == "chain":
        return step, f"{what} {int(two[step]):016x}, not {int(one[step]):016x} as claimed"
    return step, f"{what} {two[step].tolist()}, not {one[step].tolist()} as claimed"


def _other_fields(one: EpisodeResult, two: EpisodeResult) -> Iterator[str]:
    for name, ours in vars(two).items():
        theirs = getattr(one, name)
        if name == "metrics":
            theirs, ours = dict(sorted(theirs.items())), dict(sorted(ours.items()))
        # As text, so that NaN equals NaN.
        if repr(theirs) != repr(ours):
            last = two.length - 1
            yield f"episode {two.episode}, step {last}: {name} {ours}, not {theirs} as claimed"
            return

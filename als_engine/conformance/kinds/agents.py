"""The checks of an agent or learner that a plugin offers."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, Learner, Training
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import AgentRecord, load_agent, make_agent, save_agent
from als_engine.conformance.case import Options
from als_engine.conformance.places import Own
from als_engine.conformance.report import Failure
from als_engine.conformance.running import Check, Finding, Subject
from als_engine.envs.batch import Batch
from als_engine.envs.rows import Rows
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import AgentSpec
from als_engine.seeding import Generators, row_seeds
from als_engine.simulation import simulate

__all__ = ["CHECKS", "AgentCase"]

_SEED: Final = 29
_FRAME: Final = 16
_STEPS: Final = 12
_SLOW: Final = 0.5
"""Seconds that the actions of two rows may take."""

_LEARNT: Final = 32
"""Steps after which a learner is told to stop."""

Actions = list[NDArray[Any]]


@dataclass
class AgentCase(Subject):
    """An agent under examination.

    Attributes:
        spec: the agent.
        scenario: that it acts in.
        options: how hard to look.
        given: arguments of the scenario, such as the sensors that it needs.
    """

    spec: AgentSpec = field(kw_only=True)
    scenario: str = field(kw_only=True)
    options: Options = field(kw_only=True)
    given: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @classmethod
    def of(cls, id: str, scenario: str, options: Options) -> AgentCase:
        """A case of an agent; its class is imported."""
        spec = registry.agent(id)
        return cls(id, Own([registry.load(spec)]), spec=spec, scenario=scenario, options=options)

    def place_of(self, method: str) -> str:
        """Where a method of the agent is defined, or `''`."""
        return self.own.of_method(registry.load(self.spec), method)

    def arguments(self, mode: str | None = None) -> dict[str, Any]:
        """Of the scenario."""
        mode = mode or self.spec.action_modes[0]
        return {"frame_size": _FRAME, **self.given, "action_mode": mode}

    def make(self, mode: str | None = None) -> Agent:
        """A new agent, seeded."""
        agent = make_agent(self.id, self.scenario, self.arguments(mode))
        agent.seed(_SEED)
        return agent

    def play(
        self,
        agent: Agent,
        seeds: Sequence[int] = (1, 2),
        mode: str | None = None,
        state: Any = None,
    ) -> tuple[Actions, Any]:
        """Lets an agent act in worlds with these seeds: (rows, ...) for each step, its state."""
        simulation = simulate(self.scenario, len(seeds), 1, **self.arguments(mode))
        batch, rows = Batch(simulation, AutoresetMode.DISABLED), np.ones(len(seeds), np.bool_)
        found: Actions = []
        try:
            with Generators(_SEED):
                batch.reset(list(seeds), rows)
                agent.attach(_Asked(simulation))
                drawn = [draw for seed in seeds for draw in row_seeds(seed, 1)]
                state = agent.restart(state, rows, drawn)
                for _ in range(min(_STEPS, self.options.steps)):
                    seen = {key: array[:, 0] for key, array in batch.observations.items()}
                    masked = with_masks(agent, seen, lambda: batch.action_masks()[:, 0])
                    acted, state = agent.act(masked, state, not agent.samples)
                    found.append(np.array(acted))
                    batch.step(found[-1][:, None])
        finally:
            simulation.close()
        return found, state


class _Asked:
    """An environment that experts can ask."""

    def __init__(self, simulation: Any) -> None:
        self._simulation = simulation

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """One action for each row."""
        actions: NDArray[Any] = self._simulation.expert_actions(rule)[:, 0]
        return actions


def contract(case: AgentCase) -> Iterator[Finding]:
    """It is an Agent, a Learner if its spec says so, and its configuration is JSON.

    Such as: the spec says trainable=True, and it is not a Learner
    """
    agent = case.make()
    if case.spec.trainable != isinstance(agent, Learner):
        is_one = "is" if isinstance(agent, Learner) else "is not"
        text = f"the spec says trainable={case.spec.trainable}, and it {is_one} a Learner"
        yield Failure(text, case.place_of("__init__"))
    try:
        json.dumps(agent.config, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Failure(f"its configuration is not JSON: {error}", case.place_of("__init__"))


def actions(case: AgentCase) -> Iterator[Finding]:
    """In each of its modes it gives one action of the action space for every row, in time.

    Such as: its discrete action 99 is not in Discrete(14)
    """
    for mode in case.spec.action_modes:
        agent = case.make(mode)
        agent.act = _checked(case, agent, mode, found := list[Finding](), taken := list[float]())  # type: ignore[method-assign]
        try:
            case.play(agent, mode=mode)
        except Exception:
            if not found:
                raise
        yield from found[:1]
        case.figures[f"{mode}_act_seconds"] = seconds = min(taken, default=0.0)
        if seconds > _SLOW:
            text = f"its actions take {seconds:.2f} s, at most {_SLOW} s are allowed"
            yield Failure(text, case.place_of("act"))
        if found:
            return


def _checked(
    case: AgentCase, agent: Agent, mode: str, found: list[Finding], taken: list[float]
) -> Any:
    """The agent's `act`, which notes what is wrong with its actions and how long they take."""
    real, space = agent.act, agent.action_space

    def act(observation: Any, state: Any = None, deterministic: bool = True) -> Any:
        began = time.perf_counter()
        acted, after = real(observation, state, deterministic)
        taken.append(time.perf_counter() - began)
        rows = len(next(iter(observation.values())))
        given = np.asarray(acted)
        wanted = (rows, *(space.shape or ()))
        if given.shape != wanted:
            text = f"its actions have the shape {given.shape} for {rows} rows, {wanted} is right"
        elif given.dtype.kind == "f" and not np.isfinite(given).all():
            text = f"its {mode} actions are {'NaN' if np.isnan(given).any() else 'infinite'}"
        elif odd := [row for row in given if not space.contains(row.astype(space.dtype))]:
            text = f"its {mode} action {odd[0]} is not in {space}"
        else:
            return acted, after
        found.append(Failure(text, case.place_of("act")))
        raise ValueError(text)

    return act


def replay(case: AgentCase) -> Iterator[Finding]:
    """The same seed gives the same actions: in a new agent, and after other episodes.

    Such as: after other episodes it acts differently in the same one, at step 0: restart() has
    to forget
    """
    agent = case.make()
    first, state = case.play(agent)
    again, _ = case.play(case.make())
    if (step := _unlike(first, again)) is not None:
        text = f"two new agents with one seed act differently at step {step}"
        yield Failure(f"{text}: draw by the seeds of seed() and restart()", case.place_of("act"))
        return
    _, state = case.play(agent, (3, 4), state=state)
    later, _ = case.play(agent, state=state)
    if (step := _unlike(first, later)) is not None:
        yield Failure(
            f"after other episodes it acts differently in the same one, at step {step}: restart() "
            "has to forget what was before",
            case.place_of("restart") or case.place_of("act"),
        )


def rows(case: AgentCase) -> Iterator[Finding]:
    """What it does in a row does not depend on the other rows.

    Such as: in the second of two rows it acts otherwise than alone, at step 0
    """
    both, _ = case.play(case.make(), (1, 2))
    alone, _ = case.play(case.make(), (2,))
    if (step := _unlike([acted[1:] for acted in both], alone)) is not None:
        text = f"in the second of two rows it acts otherwise than alone, at step {step}"
        yield Failure(text, case.place_of("act"))


def _unlike(one: Actions, two: Actions) -> int | None:
    """The first step in which two agents do not act alike."""
    for step, (ours, theirs) in enumerate(zip(one, two, strict=True)):
        close = ours.dtype.kind == "f" and np.allclose(ours, theirs, atol=1e-5)
        if not (close or np.array_equal(ours, theirs)):
            return step
    return None


def saved(case: AgentCase) -> Iterator[Finding]:
    """Saved and loaded again, it acts as before.

    Such as: loaded again it acts differently at step 0
    """
    agent = case.make()
    before, _ = case.play(agent)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "agent"
        save_agent(agent, place, _record(case))
        loaded, _ = load_agent(place)
    loaded.seed(_SEED)
    after, _ = case.play(loaded)
    if (step := _unlike(before, after)) is not None:
        at = case.place_of("save_weights") or case.place_of("__init__")
        yield Failure(f"loaded again it acts differently at step {step}", at)


def _record(case: AgentCase) -> AgentRecord:
    return AgentRecord(agent=case.id, scenario=case.scenario, arguments=case.arguments())


def files(case: AgentCase) -> Iterator[Finding]:
    """Acting writes no files and changes no observation.

    Such as: it writes diary.txt while it acts: only save_weights and learn may write
    """
    agent = case.make()
    real, changed = agent.act, list[str]()

    def act(observation: Any, state: Any = None, deterministic: bool = True) -> Any:
        before = {key: np.array(array) for key, array in observation.items()}
        answer = real(observation, state, deterministic)
        for key, array in observation.items():
            if not np.array_equal(array, before[key], equal_nan=array.dtype.kind == "f"):
                changed.append(key)
        return answer

    agent.act = act  # type: ignore[method-assign]
    with _written() as paths:
        case.play(agent)
    if paths:
        text = f"it writes {paths[0]} while it acts: only save_weights and learn may write"
        yield Failure(text, case.place_of("act"))
    if changed:
        yield Failure(f'it changes the observation "{changed[0]}"', case.place_of("act"))


_listening: list[list[str]] = []
_hooked: list[bool] = []


@contextmanager
def _written() -> Iterator[list[str]]:
    """Notes the files that are opened to be written inside; Python's own cache is none."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_audit)  # There is no way to take it back.
    paths: list[str] = []
    _listening.append(paths)
    try:
        yield paths
    finally:
        _listening.remove(paths)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _listening:
        return
    path, _, flags = arguments
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
    if writes and isinstance(path, str) and "__pycache__" not in path and path != os.devnull:
        for paths in _listening:
            paths.append(path)


def learns(case: AgentCase) -> Iterator[Finding]:
    """A learner learns without an error, stops when it is told to, and still acts.

    Such as: it asked should_stop 200 times, and went on for 168 of them
    """
    agent = case.make()
    if not isinstance(agent, Learner):
        case.notes["learns"] = "not asked for"
        return
    asked, given = 0, case.arguments()

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > _LEARNT

    made = Rows(case.scenario, 2, observers=1, **given)
    try:
        with Generators(_SEED), tempfile.TemporaryDirectory():
            training = Training(steps=1 << 20, seed=_SEED, device="cpu", should_stop=should_stop)
            progress = agent.learn(made, training)
    finally:
        made.close()
    case.notes["learns"] = f"{progress.steps} steps"
    if asked > 2 * _LEARNT:
        text = f"it asked should_stop {asked} times, and went on for {asked - _LEARNT} of them"
        yield Failure(text, case.place_of("learn"))
    for acted in case.play(agent)[0]:
        if acted.dtype.kind == "f" and not np.isfinite(acted).all():
            yield Failure("it acts with NaN after it has learnt", case.place_of("learn"))
            return


CHECKS: Final[Mapping[str, Check[AgentCase]]] = {
    "contract": contract,
    "actions": actions,
    "replay": replay,
    "rows": rows,
    "saved": saved,
    "files": files,
    "learns": learns,
}
"""Name to check of an agent, in the order in which they run."""

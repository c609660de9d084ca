"""Plays an agent undisturbed and under disturbances, on the same held-out episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.saving import OpenedAgent
from als_engine.errors import ArgumentError, unknown
from als_engine.evaluation.protocol import Evaluation, evaluate, reference
from als_engine.evaluation.splits import CHOOSING
from als_engine.evaluation.statistics import RESAMPLES, Interval
from als_engine.simulation import simulate
from als_plugins.robustness.disturbed import Disturbance, Disturbed, sensors_of

__all__ = ["Result", "Robustness", "Trial", "parse_trials", "trials_of", "try_agent"]

STRENGTHS: Final[Mapping[str, tuple[float, ...]]] = {
    "noise": (0.02, 0.05, 0.1, 0.2),
    "drop": (0.25, 0.5, 0.75),
    "missing": (0.1, 0.3, 0.5),
    "delay": (1, 2, 4),
}
"""What is tried unless it is said otherwise; `without` is each sensor in turn."""

KINDS: Final = (*STRENGTHS, "without")
MAX_DELAY: Final = 1_000
MAX_TRIALS: Final = 100


@dataclass(frozen=True)
class Trial:
    """One way of disturbing an agent.

    Attributes:
        kind: one of `KINDS`, or "none".
        strength: of the disturbance, in the unit of its kind; 1 where a sensor is left out.
        sensor: that is left out.
    """

    kind: str
    strength: float = 0.0
    sensor: str | None = None

    @property
    def disturbance(self) -> Disturbance:
        """What is done to the agent."""
        part = {self.kind: self.strength}
        return Disturbance(
            noise=part.get("noise", 0.0),
            drop=part.get("drop", 0.0),
            missing=part.get("missing", 0.0),
            without=self.sensor,
            delay=int(part.get("delay", 0)),
        )

    @property
    def label(self) -> str:
        """The strength, or the sensor, for people."""
        return self.sensor or ("" if self.kind == "none" else f"{self.strength:g}")


@dataclass(frozen=True)
class Result:
    """What an agent reached in a trial.

    Attributes:
        trial: what was disturbed.
        found: its episodes.
        relative: the return where random is 0 and the undisturbed agent is 1, with the 95 percent
            interval of a bootstrap over episodes; None where that agent is not better than random.
    """

    trial: Trial
    found: Evaluation
    relative: Interval | None


@dataclass(frozen=True)
class Robustness:
    """An agent in all trials.

    Attributes:
        agent: what it was called.
        scenario, arguments, observers: where it acted.
        split, seed, episodes: which episodes; the same ones in each trial.
        random: the mean return of random actions in them.
        acting: how it chose its actions.
        results: the undisturbed one first.
        notes: what could not be tried, and why.
    """

    agent: str
    scenario: str
    arguments: Mapping[str, Any]
    observers: int
    split: str
    seed: int
    episodes: int
    random: float
    acting: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        results = [
            {
                **asdict(each.trial),
                "return": asdict(each.found.mean_return),
                "success": asdict(each.found.success),
                "relative": None if each.relative is None else asdict(each.relative),
            }
            for each in self.results
        ]
        kept = {name: value for name, value in vars(self).items() if name != "results"}
        return {**kept, "arguments": dict(self.arguments), "results": results}


def parse_trials(given: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """Reads `KIND` and `KIND=STRENGTH,...` words: kind to what was said of it, maybe nothing.

    Raises:
        ArgumentError: there is no such kind, it comes twice, or a strength is not allowed.
    """
    found: dict[str, tuple[str, ...]] = {}
    for word in given or KINDS:
        kind, _, text = word.partition("=")
        if kind not in KINDS:
            raise ArgumentError(unknown("disturbance", kind, KINDS))
        if kind in found:
            raise ArgumentError(f'the disturbance "{kind}" is given twice')
        found[kind] = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        if kind != "without":
            for part in found[kind]:
                _strength(kind, part)
    if sum(map(len, found.values())) > MAX_TRIALS:
        raise ArgumentError(f"at most {MAX_TRIALS} strengths are tried at once")
    return found


def _strength(kind: str, text: str) -> float:
    """A strength of a kind.

    Raises:
        ArgumentError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if kind == "delay":
        right, needs = value.is_integer() and 1 <= value <= MAX_DELAY, "whole steps, at least 1"
    elif kind == "noise":
        right, needs = 0.0 < value <= 10.0, "above 0, at most 10"
    else:
        right, needs = 0.0 < value < 1.0, "above 0, below 1"
    if not right:
        raise ArgumentError(f'{kind} takes {needs}, got "{text}"')
    return value


def trials_of(asked: Mapping[str, Sequence[str]], agent: Agent) -> tuple[list[Trial], list[str]]:
    """What is tried with an agent, and what cannot be.

    Raises:
        ArgumentError: it has no such sensor.
    """
    trials, notes, sensors = [], [], sensors_of(agent)
    for kind, given in asked.items():
        if kind in ("missing", "without") and not (agent.bears_missing_sensors and sensors[1:]):
            why = (
                "needs its only sensor" if agent.bears_missing_sensors else "needs all its sensors"
            )
            notes.append(f"{kind} is left out: it {why}")
        elif kind == "without":
            for name in given:
                if name not in sensors:
                    raise ArgumentError(unknown("sensor of the agent", name, sensors))
            trials += [Trial(kind, 1.0, name) for name in given or sensors]
        else:
            strengths = [_strength(kind, text) for text in given] or STRENGTHS[kind]
            trials += [Trial(kind, value) for value in strengths]
    return trials, notes


def try_agent(
    name: str,
    opened: OpenedAgent,
    asked: Mapping[str, Sequence[str]],
    *,
    episodes: int = 50,
    split: str = CHOOSING,
    seed: int = 0,
    worlds: int = 16,
    on_trial: Callable[[int, int], None] = lambda done, total: None,
) -> Robustness:
    """Plays an agent in all trials, each on the same episodes.

    Args:
        name: what the agent is called.
        opened: the agent, and where it acts.
        asked: what is tried, as `parse_trials` returns it.
        episodes: of each trial.
        split: where levels come from; "test" to report.
        seed: of the episodes and the disturbances.
        worlds: run at once; makes no difference.
        on_trial: called with the number of trials that are done, and that of all.

    Raises:
        ArgumentError: the agent has no such sensor, or an argument is not allowed.
    """
    trials, notes = trials_of(asked, opened.agent)
    rest = _rest(opened)
    found: list[Evaluation] = []
    for trial in (Trial("none"), *trials):
        played = evaluate(
            Disturbed(opened.agent, trial.disturbance, rest),
            opened.scenario,
            episodes,
            split=split,
            seed=seed,
            num_worlds=worlds,
            observers=opened.observers,
            arguments=opened.arguments,
        )
        found.append(played)
        on_trial(len(found), len(trials) + 1)
    random = reference(found[0]).random
    return Robustness(
        agent=name,
        scenario=opened.scenario,
        arguments=opened.arguments,
        observers=opened.observers,
        split=split,
        seed=seed,
        episodes=episodes,
        random=float(random.returns.mean()),
        acting=acting(opened.agent),
        results=tuple(
            Result(trial, each, relative(each.returns, found[0].returns, random.returns))
            for trial, each in zip((Trial("none"), *trials), found, strict=True)
        ),
        notes=tuple(notes),
    )


def relative(
    disturbed: NDArray[np.float64], whole: NDArray[np.float64], random: NDArray[np.float64]
) -> Interval | None:
    """The mean return where random is 0 and the undisturbed agent is 1.

    The three have played the same episodes, which are resampled together (a percentile bootstrap).

    Args:
        disturbed: (episodes,), returns.
        whole: of the undisturbed agent.
        random: of random actions.

    Returns:
        None where the undisturbed agent is not clearly better than random: a part of nothing.
    """
    gained, there = disturbed - random, whole - random
    drawn = np.random.default_rng(0).integers(len(there), size=(RESAMPLES, len(there)))
    below = there[drawn].mean(axis=1)
    if there.mean() <= 1e-9 or np.quantile(below, 0.025) <= 1e-9:
        return None
    ratios = gained[drawn].mean(axis=1) / np.maximum(below, 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(gained.mean() / there.mean()), float(low), float(high))


def _rest(opened: OpenedAgent) -> NDArray[Any]:
    """The action that does nothing, as the agent's action space has it."""
    one = simulate(opened.scenario, 1, opened.observers, **opened.arguments)
    one.close()
    return one.acting.resting()

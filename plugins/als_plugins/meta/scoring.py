"""How good agents are after some episodes of a held-out task, and how often adapting hurts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from als_engine.agents.run_folder import RunFolder
from als_engine.agents.saving import OpenedAgent, make_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.statistics import Interval, mean_interval
from als_engine.limits import EPISODES, MAX_SEED
from als_engine.models import Model, read_model
from als_engine.seeding import Generators, spread
from als_engine.system.files import write_text
from als_engine.system.safe_files import is_file
from als_plugins.meta.fine_tuning import Adapting, adapt
from als_plugins.meta.maml import MAML
from als_plugins.meta.playing import TrialPlan, one_task, plan_trials, play
from als_plugins.meta.rl2 import RL2
from als_plugins.meta.tasks import TaskDistribution, TaskLevels

__all__ = [
    "SAYS",
    "Contestant",
    "Scored",
    "Settings",
    "Way",
    "run_scores",
    "scores_table",
    "ways_of",
]

RECORD: Final = "scores.json"
Floats = NDArray[np.float64]
Way = Literal["memory", "fine-tuning", "cautious", "scratch", "told", "expert"]

SAYS: Final[Mapping[Way, str]] = {
    "memory": "remembers (RL²)",
    "fine-tuning": "fine-tuned",
    "cautious": "fine-tuned cautiously",
    "scratch": "from scratch",
    "told": "told the task",
    "expert": "the scenario's expert",
}
"""Ways to adapt, for people."""

Each = Annotated[list[Annotated[float, Field(ge=-1e9, le=1e9)]], Field(max_length=20)]


class Settings(Model):
    """What is measured.

    Attributes:
        tasks: which tasks there are.
        agents: what the agents are called, by which they are found again.
        after: after how many episodes.
        trials: how many tasks are drawn, each with levels of its own.
        episodes: by which an agent that was fine-tuned is scored, in each trial.
        split: whose tasks.
        seed: of all that is drawn.
        rate, passes: of the fine-tuning; None for the agents' own.
        kl, check: of the cautious one; see `Adapting`.
    """

    tasks: TaskDistribution
    agents: Annotated[list[str], Field(min_length=1, max_length=100)]
    after: Annotated[list[Annotated[int, Field(ge=0, le=100)]], Field(min_length=1, max_length=20)]
    trials: int = Field(default=24, ge=2, le=1_000)
    episodes: int = Field(default=4, ge=1, le=100)
    split: Literal["train", "validation", "test"] = "test"
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    rate: float | None = Field(default=None, gt=0.0, le=100.0)
    passes: int | None = Field(default=None, ge=1, le=1_000)
    kl: float = Field(default=0.01, gt=0.0, le=100.0)
    check: int = Field(default=4, ge=1, le=100)

    def adapting(self, way: Way) -> Adapting:
        """How a fine-tuned agent adapts."""
        if way == "cautious":
            return Adapting(self.rate, self.passes, self.kl, self.check)
        return Adapting(self.rate, self.passes)


class Scored(Model):
    """What an agent reached in one way.

    Attributes:
        agent: what it is called.
        way: how it adapted.
        returns, success: (trials, numbers of episodes), of each trial after so many.
        rolled_back: after each number of episodes, how many trials were.
    """

    agent: str
    way: Way
    returns: Annotated[list[Each], Field(max_length=1_000)]
    success: Annotated[list[Each], Field(max_length=1_000)]
    rolled_back: Annotated[list[Annotated[int, Field(ge=0, le=EPISODES)]], Field(max_length=20)]

    def after(self, place: int, what: Literal["returns", "success"] = "returns") -> Interval:
        """The mean over trials after a number of episodes, with its 95% interval."""
        return mean_interval(np.array(getattr(self, what))[:, place])

    def hurt(self, place: int) -> float:
        """In which part of the trials the return fell below that before any adapting."""
        found = np.array(self.returns)
        return float((found[:, place] < found[:, 0]).mean())


@dataclass(frozen=True)
class Contestant:
    """An agent and the ways in which it is scored.

    Attributes:
        name: what it is called.
        opened: the agent; None for the scenario's expert.
        ways: to adapt.
    """

    name: str
    opened: OpenedAgent | None
    ways: tuple[Way, ...]


def ways_of(name: str, opened: OpenedAgent, *, cautious: bool, scratch: bool) -> tuple[Way, ...]:
    """How an agent is scored: by its memory, where that was trained to last over episodes.

    Args:
        name: what it is called.
        opened: the agent.
        cautious: whether it is also fine-tuned cautiously.
        scratch: whether a fresh one like it also learns each task from scratch.

    Raises:
        ArgumentError: it is none of `rl2`.
    """
    agent = opened.agent
    if not isinstance(agent, (RL2, MAML)):
        raise ArgumentError(
            f"{name} is neither rl2 nor maml: `als meta score` takes agents of `als train --agent "
            "rl2`, which with --set episodes=1 learns all tasks together, and of `--agent maml`"
        )
    if isinstance(agent, RL2) and agent.parameters.episodes > 1:
        return ("memory",)
    more: list[Way] = ["fine-tuning"]
    if cautious:
        more.append("cautious")
    if scratch:
        more.append("scratch")
    return tuple(more)


def run_scores(
    settings: Settings,
    contestants: list[Contestant],
    folder: Path | None = None,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Scored] | None:
    """Scores every agent in each of its ways; None where it was told to stop.

    Args:
        settings: what is measured.
        contestants: the first one with a folder says where all act.
        folder: where results are kept, a file for each agent and way; None keeps nothing. The same
            settings go on where an earlier call stopped.
        on_progress: told how many are done, and how many there are.
        should_stop: asked now and then.

    Raises:
        ArgumentError: an agent acts in another scenario, or the tasks are not of it.
        SavedFileError: the folder holds something else, or other settings.
    """
    first = next(each.opened for each in contestants if each.opened is not None)
    plan, known = plan_trials(
        settings.tasks,
        first.scenario,
        settings.split,
        first.arguments,
        trials=settings.trials,
        episodes=max(*settings.after, settings.episodes - 1, 1) + 1,
        seed=settings.seed,
        observers=first.observers,
    )
    for each in contestants:
        if each.opened is not None and each.opened.scenario != first.scenario:
            raise ArgumentError(f"{each.name} acts in {each.opened.scenario}, not {first.scenario}")
    scorer = _Scorer(settings, plan, known, contestants, on_progress, should_stop)
    if folder is None:
        return scorer.all(None)
    run = RunFolder(folder, RECORD, "a measurement of adapting agents", owns=("results",))
    if run.begun:
        if read_model(run.record, Settings) != settings:
            raise SavedFileError(
                f"{folder} holds a measurement with other settings: name another folder"
            )
        with run.going_on():
            return scorer.all(folder / "results")
    with run.new(settings.model_dump_json(indent=2) + "\n"):
        return scorer.all(folder / "results")


class _Scorer:
    """Scores contestants one after the other."""

    def __init__(
        self,
        settings: Settings,
        plan: TrialPlan,
        known: TaskLevels,
        contestants: list[Contestant],
        on_progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._settings, self._plan, self._known = settings, plan, known
        self._wanted = [(i, each, way) for i, each in enumerate(contestants) for way in each.ways]
        self._on_progress, self._should_stop = on_progress, should_stop

    def all(self, folder: Path | None) -> list[Scored] | None:
        """All that is missing, and all that is there."""
        found: list[Scored] = []
        for number, each, way in self._wanted:
            self._on_progress(len(found), len(self._wanted))
            path = None if folder is None else folder / f"{number}-{way}.json"
            if path is not None and is_file(path):
                found.append(read_model(path, Scored))
                continue
            with Generators(spread(f"adapting by {way}", self._settings.seed, number)):
                one = self._one(each, way)
            if one is None:
                return None
            if path is not None:
                path.parent.mkdir(exist_ok=True)
                write_text(path, one.model_dump_json() + "\n")
            found.append(one)
        self._on_progress(len(found), len(self._wanted))
        return found

    def _one(self, each: Contestant, way: Way) -> Scored | None:
        if way in ("fine-tuning", "cautious", "scratch"):
            return self._tuned(each, way)
        if self._should_stop():
            return None
        settings, plan, opened = self._settings, self._plan, each.opened
        agent = (
            make_agent("expert", plan.scenario, plan.arguments) if opened is None else opened.agent
        )
        arguments: Any = plan.arguments if opened is None else opened.arguments
        played = play(agent, plan, settings.tasks, remembers=way == "memory", arguments=arguments)
        returns, success = played.returns, played.success
        if way != "memory":  # Nothing is learnt: all episodes say the same.
            returns, success = (
                np.broadcast_to(x.mean(1, keepdims=True), x.shape) for x in (returns, success)
            )
        return _scored(each.name, way, returns[:, settings.after], success[:, settings.after])

    def _tuned(self, each: Contestant, way: Way) -> Scored | None:
        settings, plan = self._settings, self._plan
        assert each.opened is not None
        assert isinstance(each.opened.agent, (RL2, MAML))
        fresh, agent = way == "scratch", each.opened.agent
        shape = (plan.trials, len(settings.after))
        returns, success = np.zeros(shape), np.zeros(shape)
        back = np.zeros(shape, np.int64)
        for trial, task in enumerate(plan.tasks):
            scored = one_task(
                plan, task, plan.levels[trial, : settings.episodes].tolist(),
                spread("scores", settings.seed, trial),
            )  # fmt: skip
            for place, episodes in enumerate(settings.after):
                if self._should_stop():
                    return None
                now = agent
                if episodes or fresh:
                    adapted = adapt(
                        agent, plan, trial, self._known, max(episodes, 1),
                        settings.adapting(way), fresh=fresh, untaught=not episodes,
                    )  # fmt: skip
                    now, back[trial, place] = adapted.agent, adapted.rolled_back
                played = play(now, scored, settings.tasks, remembers=False)
                returns[trial, place] = played.returns.mean()
                success[trial, place] = played.success.mean()
        return _scored(each.name, way, returns, success, back.sum(0).tolist())


def _scored(
    name: str, way: Way, returns: Floats, success: Floats, back: list[int] | None = None
) -> Scored:
    return Scored(
        agent=name,
        way=way,
        returns=np.round(returns, 5).tolist(),
        success=np.round(success, 5).tolist(),
        rolled_back=[0] * returns.shape[1] if back is None else back,
    )


def scores_table(found: list[Scored], after: list[int]) -> str:
    """Results of several trainings as a table in Markdown: means over trainings and trials.

    Args:
        found: each with the same numbers of episodes. Those of one agent and way are one line.
        after: those numbers.
    """
    heads = " | ".join(f"after {each}" for each in after)
    lines = [f"| agent | way | {heads} | hurt |", "| --- | --- |" + " ---: |" * (len(after) + 1)]
    for name in dict.fromkeys(each.agent for each in found):
        for way, says in SAYS.items():
            these = [each for each in found if (each.agent, each.way) == (name, way)]
            if these:
                shown = Path(name).name
                lines.append(f"| {shown} | {says} | {' | '.join(_cells(these, after))} |")
    return "\n".join(lines) + "\n"


def _cells(these: list[Scored], after: list[int]) -> list[str]:
    returns = np.concatenate([np.array(each.returns) for each in these])
    means = [mean_interval(column) for column in returns.T]
    cells = [f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in means]
    if these[0].way not in ("fine-tuning", "cautious"):
        return [*cells, "-"]
    places = range(1, len(after))
    hurt = (f"{np.mean([each.hurt(place) for each in these]):.0%}" for place in places)
    return [*cells, ", ".join(hurt)]

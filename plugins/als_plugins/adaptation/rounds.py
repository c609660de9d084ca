"""The rounds of an adaptation: each learns, is judged and, if need be, undone.

A round learns for some thousand steps from the task's reward and from feedback, and then runs a
fixed set of episodes of the validation split. An update whose return is clearly below that of the
best agent so far, in the same episodes, is rolled back: weights, optimizer and counters are the
best agent's again. What was learnt about the feedback stays: it is evidence, whatever was made of
it.

The best agent is what an update is compared with, so it has to be judged in the same world. It is
examined anew in every round; when its return has changed although its weights have not, the world
has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from als_engine.agents.agent import Progress, Training
from als_engine.agents.saving import AgentRecord, TrainingRecord, save_agent
from als_engine.envs.rows import Rows
from als_engine.evaluation.protocol import Evaluation
from als_engine.seeding import spread
from als_engine.system.interrupts import interruptible
from als_plugins.adaptation.channel import Channel
from als_plugins.adaptation.credit import Credit
from als_plugins.adaptation.folder import Folder
from als_plugins.adaptation.judge import Examiner, Verdict, compare
from als_plugins.adaptation.listening import FeedbackRewards
from als_plugins.adaptation.records import FIRST, Job, Outcome, Round, State
from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["Adapted", "Listeners", "Rounds"]


@dataclass(frozen=True)
class Listeners:
    """The callbacks of an adaptation.

    Attributes:
        on_progress: called a few times a second.
        on_round: called with every line of the log.
    """

    on_progress: Callable[[Progress], None]
    on_round: Callable[[Round], None]


@dataclass(frozen=True)
class Adapted:
    """The result of an adaptation.

    Attributes:
        folder: of the adaptation; the agent is in `agent/` unless it was stopped.
        split: by whose episodes rounds were kept or taken back.
        agent: the best one, in the world as it is at the end.
        record: what is saved with it.
        rounds: the log, in order.
        stopped: by Ctrl-C, after the last whole round.
    """

    folder: Path
    split: str
    agent: NetworkLearner
    record: AgentRecord
    rounds: tuple[Round, ...]
    stopped: bool

    @property
    def rolled_back(self) -> int:
        """The number of rounds that were rolled back."""
        return sum(line.outcome == "rolled back" for line in self.rounds)


class Rounds:
    """One run, from the state it is given to the end."""

    def __init__(
        self,
        folder: Folder,
        job: Job,
        learner: NetworkLearner,
        record: AgentRecord,
        channel: Channel | None,
        listeners: Listeners,
    ) -> None:
        """Takes what to run: the learner with any weights, a channel that is not open yet."""
        self.folder, self.job, self.learner, self.record = folder, job, learner, record
        self.channel = channel
        self._listeners = listeners
        self._examiner = Examiner(
            job.scenario,
            job.observers,
            split=job.split,
            seed=job.seed,
            episodes=job.episodes,
            worlds=min(job.worlds, 16),
        )
        self._credit: Credit | None = None
        self._env: Rows | None = None
        self._wrapped: FeedbackRewards | None = None
        self._world = ""
        self._begun = time.monotonic()

    def run(self, state: State) -> Adapted:
        """Runs the rounds that are left."""
        job, stopped = self.job, False
        if self.channel is not None:
            self.channel.open(job.worlds, job.observers, state.channel_step)
            self._credit = self._new_credit(state)
        self._earlier = state.seconds
        with interruptible() as interrupted:
            try:
                if not state.rounds:
                    state = self._first(state)
                while state.round < job.rounds and not stopped:
                    state, stopped = self._round(state, interrupted)
            finally:
                if self._env is not None:
                    self._env.close()
                if self.channel is not None:
                    self.channel.close()
            if stopped:
                interrupted.answered()
            return self._finish(state, stopped)

    # -- rounds -----------------------------------------------------------------------------------

    def _first(self, state: State) -> State:
        found = self._examine(FIRST, state.round + 1)
        message = f"before: return {_spoken(found)}"
        return self._noted(state, self._line(state, found, "start", found, message))

    def _round(self, state: State, interrupted: Callable[[], bool]) -> tuple[State, bool]:
        """A round; the state as it was, and True, when it was interrupted."""
        number = state.round + 1
        state = self._watch_the_world(state, number)
        if self.job.feedback == "frozen":
            return self._look_on(state, number), interrupted()
        progress = self._learn(state, number, interrupted)
        if interrupted():
            return state, True
        name = f"{number:04d}"
        self.folder.save_snapshot(name, self.learner, self.record)
        before = self._timesteps(state.current, state)
        state = state.model_copy(
            update={
                "round": number,
                "steps": state.steps + progress.steps - before,
                "channel_step": self._wrapped.clock if self._wrapped else 0,
                "current": name,
                "timesteps": {**state.timesteps, name: progress.steps},
            }
        )
        return self._judged(state), False

    def _judged(self, state: State) -> State:
        """Keeps the round, or takes it back."""
        found = self._examine(state.current, state.round)
        best = self._examine(state.best, state.round)
        verdict = compare(found, best, self.job.margin)
        outcome: Outcome = "best" if verdict.better else "kept"
        words = {"best": "the best so far", "kept": "kept, not clearly worse than the best"}
        message = f"round {state.round}: return {_spoken(found)}, {words[outcome]}"
        if verdict.worse:
            outcome = "rolled back"
            message = (
                f"round {state.round}: return {_spoken(found)} is worse than the best, "
                f"{best.returns.mean():.2f} (difference {_interval(verdict)}): "
                f"rolled back to round {int(state.best)}"
            )
            state = state.model_copy(update={"current": state.best})
            self._restore(state.best)
        elif outcome == "best":
            best = found
            state = state.model_copy(update={"best": state.current})
        line = self._line(state, found, outcome, best, message, verdict)
        return self._noted(state, line)

    def _look_on(self, state: State, number: int) -> State:
        """A round without learning."""
        found = self._examine(FIRST, number)
        steps = min(number * self.job.evaluate_every, self.job.steps)
        state = state.model_copy(update={"round": number, "steps": steps})
        message = f"round {number}: return {_spoken(found)}, nothing was learnt"
        return self._noted(state, self._line(state, found, "unchanged", found, message))

    def _watch_the_world(self, state: State, number: int) -> State:
        """Examines the best agent again, in the world as it is now.

        Where the world turns out to be another one, the better of the current and the best agent is
        the one to beat, and feedback has its full weight again.
        """
        before = self._examine(state.best, max(number - 1, 1))
        now = self._examine(state.best, number)
        verdict = compare(now, before, 0.0)
        interval = verdict.difference
        if interval.low <= 0.0 <= interval.high:
            return state
        message = (
            f"round {number}: the world has changed: the best agent now has a return of "
            f"{_spoken(now)}, a difference of {_interval(verdict)}"
        )
        if self._credit is not None:
            self._credit.forget()
        current = self._examine(state.current, number)
        changes: dict[str, Any] = {"phase": number - 1}
        if current.returns.mean() > now.returns.mean():
            changes["best"], now = state.current, current
        state = state.model_copy(update=changes)
        line = self._line(state, now, "drift", now, message, verdict, drifted=True)
        return self._noted(state, line, save=False)

    # -- learning ---------------------------------------------------------------------------------

    def _learn(self, state: State, number: int, interrupted: Callable[[], bool]) -> Progress:
        job, before = self.job, self._timesteps(state.current, state)
        env = self._environment(state, number)
        seed = spread("adaptation", job.seed, number)
        if self._wrapped is not None:
            self._wrapped.begin(self._weight(state, number), seed)
        resume = self.folder.training_of(state.current)
        self._restore(state.current)

        def show(progress: Progress) -> None:
            steps = state.steps + progress.steps - before
            self._listeners.on_progress(
                Progress(
                    min(steps, job.steps),
                    job.steps,
                    progress.episodes,
                    progress.mean_return,
                    progress.success,
                )
            )

        left = min(job.evaluate_every, max(job.steps - state.steps, 1))
        return self.learner.learn(
            cast("Rows", self._wrapped or env),  # A wrapper has all that rows have.
            Training(
                steps=before + left,
                seed=seed,
                resume=resume,
                device=job.device,
                checkpoint_every=1 << 62,
                on_progress=show,
                should_stop=interrupted,
            ),
        )

    def _environment(self, state: State, number: int) -> Rows:
        """The worlds of a round; others than before when they have changed."""
        if self._env is None or self._world != self._world_of(number):
            if self._env is not None:
                self._env.close()
            self._world = self._world_of(number)
            self._env = Rows(
                self.job.scenario,
                self.job.worlds,
                observers=self.job.observers,
                **self._arguments(number),
            )
            self._env.spread_for("adaptation")
            if self.channel is not None and self._credit is not None:
                self._wrapped = FeedbackRewards(
                    self._env,
                    self.channel,
                    self._credit,
                    task_weight=self.job.task_weight,
                    step=state.channel_step,
                )
        return self._env

    def _weight(self, state: State, number: int) -> float:
        """Feedback's: it falls along the run, and begins anew where the world has changed."""
        left = max(self.job.rounds - state.phase, 1)
        gone = (number - 1 - state.phase) / left
        return self.job.feedback_weight * (1.0 - self.job.fade * gone)

    def _restore(self, snapshot: str) -> None:
        self.learner.load_weights(self.folder.snapshot(snapshot))

    def _new_credit(self, state: State) -> Credit:
        assert self.channel is not None
        self._restore(FIRST)
        credit = Credit(
            self.learner.reader(),
            self.learner.action_space,
            self.job.worlds * self.job.observers,
            self.channel.delay,
            self.job.seed,
        )
        self.folder.restore_credit(credit)
        return credit

    # -- examining and noting ---------------------------------------------------------------------

    def _world_of(self, number: int) -> str:
        drift = self.job.drift_round
        return "first" if drift is None or number < drift else "drifted"

    def _arguments(self, number: int) -> dict[str, Any]:
        changed = self.job.drift or {} if self._world_of(number) == "drifted" else {}
        arguments: dict[str, Any] = {**self.job.arguments, **changed}
        return arguments

    def _examine(self, snapshot: str, number: int) -> Evaluation:
        """How good a snapshot is in the world of a round; it is the learner's own afterwards."""
        world = self._world_of(number)
        self._restore(snapshot)
        return self._examiner.examine(self.learner, snapshot, world, self._arguments(number))

    def _timesteps(self, snapshot: str, state: State) -> int:
        return state.timesteps[snapshot]

    def _line(
        self,
        state: State,
        found: Evaluation,
        outcome: Outcome,
        best: Evaluation,
        message: str,
        verdict: Verdict | None = None,
        *,
        drifted: bool = False,
    ) -> Round:
        mean, difference = found.mean_return, verdict.difference if verdict else None
        events, praise = self._wrapped.tally() if self._wrapped else (0, 0.0)
        return Round(
            round=state.round,
            steps=state.steps,
            drifted=drifted or self._world_of(max(state.round, 1)) == "drifted",
            outcome=outcome,
            mean=mean.value,
            low=mean.low,
            high=mean.high,
            success=found.success.value,
            difference=difference.value if difference else 0.0,
            difference_low=difference.low if difference else 0.0,
            difference_high=difference.high if difference else 0.0,
            best=float(best.returns.mean()),
            events=events,
            praise=praise,
            trust=self._credit.agreement.trust if self._credit else 0.0,
            weight=self._wrapped.weight if self._wrapped else 0.0,
            message=message,
        )

    def _noted(self, state: State, line: Round, *, save: bool = True) -> State:
        """The state with a line more; written down unless its round is yet to come."""
        kept = {state.current, state.best, FIRST}
        state = state.model_copy(
            update={
                "rounds": [*state.rounds, line],
                "seconds": round(self._earlier + time.monotonic() - self._begun, 1),
                "timesteps": {k: v for k, v in state.timesteps.items() if k in kept},
            }
        )
        if save:
            self.folder.save_state(state, self._credit)
        self._listeners.on_round(line)
        return state

    def _finish(self, state: State, stopped: bool) -> Adapted:
        """Saves the best agent, unless there is more to come."""
        self._restore(state.best)
        record = self.record
        if state.rounds:
            found = self._examine(state.best, max(state.round, 1))
            before = record.training
            training = TrainingRecord(
                steps=(before.steps if before else 0) + state.steps,
                demonstrated=before.demonstrated if before else 0,
                seed=self.job.seed,
                seconds=(before.seconds if before else 0.0) + state.seconds,
                mean_return=float(found.returns.mean()),
                success=found.success.value,
            )
            record = record.model_copy(update={"training": training})
        if not stopped:
            record = save_agent(self.learner, self.folder.agent, record)
        return Adapted(
            self.folder.path, self.job.split, self.learner, record, tuple(state.rounds), stopped
        )


def _spoken(found: Evaluation) -> str:
    mean = found.mean_return
    return f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]"


def _interval(verdict: Verdict) -> str:
    difference = verdict.difference
    return f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"

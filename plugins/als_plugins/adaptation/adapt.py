"""Goes on training a saved agent online, from feedback beside the task's reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from als_engine.agent import Progress
from als_engine.envs.sb3 import learner_vec_env
from als_engine.errors import ArgumentError
from als_engine.saving import (
    NOT_SAVED,
    AgentRecord,
    load_agent,
    make_agent,
    open_agent,
    spaces,
)
from als_plugins.adaptation.channel import Channel
from als_plugins.adaptation.folder import Folder
from als_plugins.adaptation.opening import open_channel
from als_plugins.adaptation.records import FIRST, MAX_ROUNDS, Job, Round, State
from als_plugins.adaptation.rounds import Adapted, Listeners, Rounds
from als_plugins.learners.sb3 import SB3Learner

__all__ = ["Adapted", "adapt", "read_adaptation", "resume_adaptation"]

OnProgress = Callable[[Progress], None]
OnRound = Callable[[Round], None]

_SILENT: Final = ("none", "frozen")
NEARSIGHTED: Final = 0.01
"""The discount without the task's reward (Knox and Stone 2012)."""


def adapt(
    agent_folder: Path | str,
    scenario: str | None = None,
    *,
    folder: Path | str,
    steps: int,
    feedback: str | Channel | None = "simulated:0.1",
    drift: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    on_progress: OnProgress = lambda progress: None,
    on_round: OnRound = lambda line: None,
    **settings: Any,
) -> Adapted:
    """Adapts a saved agent.

    Args:
        agent_folder: of the agent, which stays as it is.
        scenario: where it is to act; by default the saved agent's own.
        folder: a new or empty folder for everything that is written.
        steps: environment steps to learn from, over all rows.
        feedback: as `open_channel` takes it, or a channel; None or "none" for the task's reward
            alone, "frozen" for no learning at all, both to compare with.
        drift: arguments of the scenario that change half-way.
        arguments: of the scenario, on top of those that were saved with the agent.
        on_progress: called a few times a second.
        on_round: called with every line of the log.
        **settings: other fields of `als_plugins.adaptation.records.Job`: `worlds`, `seed`,
            `observers`, `evaluate_every`, `episodes`, `split`, `margin`, `task_weight`,
            `feedback_weight`, `fade`, `learning_rate`, `device`.

    Raises:
        ArgumentError: an argument is not allowed, or drift would change what the agent perceives.
        SavedFileError: the agent or the feedback cannot be read, or the folder not be written.
    """
    opened = open_agent(agent_folder, scenario, arguments, settings.pop("observers", None))
    if opened.record is None or not isinstance(opened.agent, SB3Learner):
        raise ArgumentError(
            f'"{agent_folder}" cannot be adapted: name the folder of an agent that `als train` made'
        )
    spoken = feedback if isinstance(feedback, str) else "none" if feedback is None else "channel"
    given = {"observers": opened.observers, "steps": steps, "feedback": spoken, **settings}
    given |= {"agent": str(agent_folder), "scenario": opened.scenario}
    given |= {"arguments": dict(opened.arguments), "drift": None if drift is None else dict(drift)}
    job = _job(given)
    _check_drift(job)
    learner = _learner(job, opened.record)
    learner.policy.load_state_dict(opened.agent.policy.state_dict())
    where = Folder(folder)
    # Mistakes in the feedback are found before anything is written.
    channel = None if _is_live(job.feedback) else _channel(job, feedback, where)
    where.begin(job)
    record = AgentRecord(
        agent=opened.record.agent,
        scenario=job.scenario,
        arguments={k: v for k, v in job.arguments.items() if k not in NOT_SAVED},
        observers=job.observers,
        training=opened.record.training,
    )
    where.save_snapshot(FIRST, learner, record)
    channel = channel or _channel(job, feedback, where)
    run = Rounds(where, job, learner, record, channel, Listeners(on_progress, on_round))
    return run.run(State())


def resume_adaptation(
    folder: Path | str,
    *,
    feedback: Channel | None = None,
    on_progress: OnProgress = lambda progress: None,
    on_round: OnRound = lambda line: None,
) -> Adapted:
    """Goes on with an adaptation after the last round that it has ended.

    Network, optimizer, counters and what predicts the feedback are as they were; the events
    themselves are not kept. The worlds begin new episodes, as they do in every round.

    Args:
        folder: of the adaptation.
        feedback: the channel, when one was passed as an object.
        on_progress: as for `adapt`.
        on_round: as for `adapt`.

    Raises:
        SavedFileError: there is no adaptation in the folder, or it is damaged.
        ArgumentError: it has come to its end already.
    """
    where = Folder(folder)
    job = where.job()
    state = where.state() or State()
    if state.round >= job.rounds and where.agent.exists():
        raise ArgumentError(f"{folder} has come to its end: all {job.rounds} rounds are done")
    agent, first = load_agent(where.snapshot(FIRST))
    assert isinstance(agent, SB3Learner)
    if job.feedback == "channel" and feedback is None:
        raise ArgumentError(f"{folder} was begun with a channel of the caller's: pass it again")
    channel = _channel(job, feedback or job.feedback, where)
    run = Rounds(where, job, agent, first, channel, Listeners(on_progress, on_round))
    return run.run(state)


def read_adaptation(folder: Path | str) -> Job:
    """What the adaptation in a folder was asked for.

    Raises:
        SavedFileError: there is none.
    """
    return Folder(folder).job()


def _job(values: dict[str, Any]) -> Job:
    """Checks what was asked for.

    Raises:
        ArgumentError: a value is not allowed; names it.
    """
    try:
        job = Job(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise ArgumentError(f"{name}: {first['msg']}, got {first['input']!r}") from None
    if job.rounds > MAX_ROUNDS:
        raise ArgumentError(
            f"evaluate_every: {job.rounds} rounds are more than {MAX_ROUNDS}, got "
            f"{job.evaluate_every}"
        )
    if job.drift is not None and job.rounds < 2:
        raise ArgumentError(
            "drift: half-way needs two rounds at least: more steps, or a smaller evaluate_every"
        )
    if job.task_weight == 0.0 and job.feedback == "none":
        raise ArgumentError("task_weight: without feedback there is nothing else to learn from")
    return job


def _check_drift(job: Job) -> None:
    """Refuses a drift after which the agent could not act.

    Raises:
        ArgumentError: an argument is unknown, or changes what is observed or done.
    """
    if job.drift is None:
        return
    if not job.drift:
        raise ArgumentError("drift: name an argument that changes")
    for name in ("split", "sensors", "action_mode", "num_worlds", "observers", "workers"):
        if name in job.drift:
            raise ArgumentError(f'drift: "{name}" cannot change')
    before = spaces(job.scenario, job.arguments)
    if spaces(job.scenario, {**job.arguments, **job.drift}) != before:
        raise ArgumentError(
            f"drift: {', '.join(job.drift)} would change what the agent observes or does"
        )


def _learner(job: Job, record: AgentRecord) -> SB3Learner:
    """The agent's own learner, with a small and constant rate."""
    config = {**record.config, "learning_rate": job.learning_rate, "anneal": False}
    if job.task_weight == 0.0:
        # People judge actions with their consequences in mind: what follows is in it already.
        config["gamma"] = NEARSIGHTED
    made = make_agent(record.agent, job.scenario, job.arguments, config)
    assert isinstance(made, SB3Learner)
    return made


def _is_live(text: str) -> bool:
    return text.partition(":")[0].partition(",")[0] == "live"


def _channel(job: Job, feedback: str | Channel | None, folder: Folder) -> Channel | None:
    if feedback is None or feedback in _SILENT:
        return None
    if not isinstance(feedback, str):
        return feedback
    channel = open_channel(feedback, seed=job.seed, folder=folder.path)
    if channel.asks_expert:
        _check_expert(job)
    return channel


def _check_expert(job: Job) -> None:
    """Refuses a simulated teacher where nobody knows better.

    Raises:
        ArgumentError: the scenario has no expert.
    """
    arguments: dict[str, Any] = job.arguments
    env = learner_vec_env(job.scenario, 1, observers=job.observers, seed=0, **arguments)
    try:
        env.reset()
        env.expert_actions()
    except NotImplementedError as error:
        raise ArgumentError(f"feedback: a simulated teacher needs an expert: {error}") from None
    finally:
        env.close()

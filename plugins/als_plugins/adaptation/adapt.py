"""Goes on training a saved agent online, from feedback beside the task's reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from als_engine.agents.agent import Progress
from als_engine.agents.saving import (
    NOT_SAVED,
    RECORD,
    AgentRecord,
    OpenedAgent,
    load_agent,
    make_agent,
    open_agent,
    spaces,
)
from als_engine.checks import check_undecided
from als_engine.envs.rows import Rows
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.models import checked_fields
from als_engine.system.files import write_text
from als_engine.system.safe_files import is_file
from als_plugins.adaptation.channel import Channel
from als_plugins.adaptation.folder import Folder
from als_plugins.adaptation.lines import RecordedChannel
from als_plugins.adaptation.opening import absolute, open_channel
from als_plugins.adaptation.records import FIRST, MAX_ROUNDS, Job, Round, State
from als_plugins.adaptation.rounds import Adapted, Listeners, Rounds
from als_plugins.learners.network_learner import NetworkLearner

__all__ = ["Adapted", "adapt", "finished_adaptation", "read_adaptation", "resume_adaptation"]

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
    _check_undecided(arguments, drift)
    opened = open_agent(agent_folder, scenario, arguments, settings.pop("observers", None))
    spoken = "none" if feedback is None else "channel"
    if isinstance(feedback, str):
        spoken = absolute(feedback)
    given = {"observers": opened.observers, "steps": steps, "feedback": spoken, **settings}
    given |= {"agent": str(Path(agent_folder).resolve()), "scenario": opened.scenario}
    given |= {"arguments": dict(opened.arguments), "drift": None if drift is None else dict(drift)}
    job = _job(given)
    _check_drift(job)
    learner = _learner(job, opened)
    where = Folder(folder)
    # Mistakes in the feedback are found before anything is written.
    channel = None if _is_live(job.feedback) else _channel(job, feedback, where)
    with where.new(job.model_dump_json(indent=2) + "\n"):
        if isinstance(channel, RecordedChannel):
            write_text(where.events, channel.text)
        record = _record(job, opened)
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
    with where.going_on():
        job = where.job()
        _check_undecided(job.arguments, job.drift)
        state = where.state() or State()
        if state.round >= job.rounds and where.agent.exists():
            raise ArgumentError(f"{folder} has come to its end: all {job.rounds} rounds are done")
        if job.feedback == "channel" and feedback is None:
            raise ArgumentError(f"{folder} was begun with a channel of the caller's: pass it again")
        agent, first = _begun(where, job)
        channel = feedback or _channel(job, job.feedback, where, again=True)
        run = Rounds(where, job, agent, first, channel, Listeners(on_progress, on_round))
        return run.run(state)


def finished_adaptation(folder: Path | str) -> State | None:
    """The result of an adaptation; None where there is more to do.

    Raises:
        SavedFileError: there is no adaptation in the folder, or it is damaged.
    """
    where = Folder(folder)
    job, state = where.job(), where.state()
    done = state is not None and state.round >= job.rounds and where.agent.is_dir()
    return state if done else None


def read_adaptation(folder: Path | str) -> Job:
    """Returns the settings of the adaptation in a folder.

    Raises:
        SavedFileError: there is none.
    """
    return Folder(folder).job()


def _job(values: dict[str, Any]) -> Job:
    """Checks what was asked for.

    Raises:
        ArgumentError: a value is not allowed; names it.
    """
    with checked_fields():
        job = Job(**values)
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


def _check_undecided(*given: Mapping[str, Any] | None) -> None:
    """Refuses arguments of the scenario that adaptation decides, such as the split, by name."""
    for arguments in given:
        check_undecided(
            "adaptation", arguments or {}, seed="--seed", num_worlds="--worlds",
            worlds="--worlds", observers="--set observers=N", split="--set split=NAME",
        )  # fmt: skip


def _check_drift(job: Job) -> None:
    """Refuses a drift after which the agent could not act.

    Raises:
        ArgumentError: an argument is unknown, or changes what is observed or done.
    """
    if job.drift is None:
        return
    if not job.drift:
        raise ArgumentError("drift: name an argument that changes")
    for name in ("sensors", "action_mode"):
        if name in job.drift:
            raise ArgumentError(f'drift: "{name}" cannot change')
    before = spaces(job.scenario, job.arguments)
    if spaces(job.scenario, {**job.arguments, **job.drift}) != before:
        raise ArgumentError(
            f"drift: {', '.join(job.drift)} would change what the agent observes or does"
        )


def _begun(where: Folder, job: Job) -> tuple[NetworkLearner, AgentRecord]:
    """The first snapshot; it is made where a run was killed before it had one."""
    if not is_file(where.snapshot(FIRST) / RECORD):
        opened = open_agent(Path(job.agent), job.scenario, job.arguments, job.observers)
        where.save_snapshot(FIRST, _learner(job, opened), _record(job, opened))
    agent, record = load_agent(where.snapshot(FIRST))
    if not isinstance(agent, NetworkLearner):
        raise SavedFileError(f"{where.snapshot(FIRST)} is no agent that can be adapted")
    return agent, record


def _record(job: Job, opened: OpenedAgent) -> AgentRecord:
    """What is saved with every snapshot."""
    assert opened.record is not None
    return AgentRecord(
        agent=opened.record.agent,
        scenario=job.scenario,
        arguments={k: v for k, v in job.arguments.items() if k not in NOT_SAVED},
        observers=job.observers,
        training=opened.record.training,
    )


def _learner(job: Job, opened: OpenedAgent) -> NetworkLearner:
    """The agent's own learner, with its weights and a small and constant rate.

    Raises:
        ArgumentError: it is no agent that can be adapted.
    """
    record = opened.record
    if record is not None and not isinstance(opened.agent, NetworkLearner):
        raise ArgumentError(
            f'"{job.agent}" is an agent of {record.agent}, which cannot be adapted: train it with '
            "mappo, or another learner that has a network"
        )
    if record is None or not isinstance(opened.agent, NetworkLearner):
        raise ArgumentError(
            f'"{job.agent}" cannot be adapted: name the folder of an agent that `als train` made'
        )
    config = {**record.config, **opened.agent.continuing(), "learning_rate": job.learning_rate}
    if job.task_weight == 0.0:
        # People judge actions with their consequences in mind: what follows is in it already.
        config["gamma"] = NEARSIGHTED
    made = make_agent(record.agent, job.scenario, job.arguments, config)
    assert isinstance(made, NetworkLearner)
    made.policy.load_state_dict(opened.agent.policy.state_dict())
    return made


def _is_live(text: str) -> bool:
    return text.partition(":")[0].partition(",")[0] == "live"


def _channel(
    job: Job, feedback: str | Channel | None, folder: Folder, *, again: bool = False
) -> Channel | None:
    """The channel that was asked for; `again` where the folder says it, and not the caller."""
    if feedback is None or feedback in _SILENT:
        return None
    if not isinstance(feedback, str):
        return feedback
    if again and is_file(folder.events):
        return RecordedChannel(folder.events)
    channel = open_channel(feedback, seed=job.seed, folder=folder.path, make=not again)
    if channel.asks_expert:
        _check_expert(job)
    return channel


def _check_expert(job: Job) -> None:
    """Refuses a simulated teacher where nobody knows better.

    Raises:
        ArgumentError: the scenario has no expert.
    """
    arguments: dict[str, Any] = job.arguments
    rows = Rows(job.scenario, 1, observers=job.observers, **arguments)
    rows.spread_for("checking the expert")
    rows.seed(job.seed)
    try:
        rows.reset()
        rows.expert_actions()
    except NotImplementedError as error:
        raise ArgumentError(f"feedback: a simulated teacher needs an expert: {error}") from None
    finally:
        rows.close()

"""From what stands on the command line to a stage: which world, which agent, or which recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.errors import ArgumentError, NoExpertError
from als_engine.plugins.registry import registry
from als_plugins.serve.lobby import Closed, Lobby
from als_plugins.serve.recording import Recorder, ReplayStage, is_recording, open_recording
from als_plugins.serve.run_stage import RunStage, is_run
from als_plugins.serve.stage import LiveStage, Stage

if TYPE_CHECKING:
    from als_engine.agents.saving import OpenedAgent
    from als_plugins.serve.teaching.session import Teaching

__all__ = ["is_scenario", "lobby_of", "open_live", "open_stage", "open_teaching"]

_CHEAP: Final = ("proprioception",)
"""What is sensed where nobody looks at it: the agent knows everything, or nothing."""


def is_scenario(word: str) -> bool:
    """Whether a word is a scenario's id, rather than a folder's path."""
    return any(spec.id == word for spec in registry.scenarios()) or not (
        Path(word).exists() or word.startswith((".", "/"))
    )


def open_live(
    place: str,
    agent: str | None,
    arguments: Mapping[str, Any],
    *,
    drive: int | None = None,
    seed: int = 0,
    record: Path | None = None,
    as_agents: bool = False,
) -> LiveStage:
    """Opens a world with an agent in it.

    Args:
        place: a scenario's id, or the folder of a saved agent, which then acts in its own scenario.
        agent: an id such as "random", or a folder; None for the expert of a scenario that has one.
        arguments: of the scenario, `split` and `level` among them.
        drive: how many avatars it drives.
        seed: of the episodes.
        record: folder for the episodes; None to keep none.
        as_agents: whether persons who drive the agent's avatars act by its actions.

    Raises:
        ALSError: something of that is not as it should be; says what.
    """
    from als_engine.agents.saving import NOT_SAVED
    from als_engine.physics.engines import preload
    from als_engine.simulation import simulate

    for_agent = {name: value for name, value in arguments.items() if name not in NOT_SAVED}
    scenario = registry.scenario(place).id if is_scenario(place) else None
    if scenario is None and agent is not None:
        raise ArgumentError(f"{place} is a saved agent: give --agent with a scenario's id alone")
    opened, label = _agent(scenario, agent or (None if scenario else place), for_agent, drive)
    every = {**opened.arguments, **arguments}
    nobody_looks = opened.record is None and label in ("random", "expert") and not as_agents
    if nobody_looks and "sensors" not in every:
        every["sensors"] = list(_CHEAP)
    preload(every)
    simulation = simulate(opened.scenario, 1, opened.observers, **every)
    try:
        watch = None if record is None else Recorder(record, simulation, label, every)
        stage = LiveStage(simulation, opened.agent, label, seed, watch, as_agents=as_agents)
        stage.arguments = every
        return stage
    except BaseException:
        simulation.close()
        raise


def _agent(
    scenario: str | None, agent: str | None, arguments: dict[str, Any], drive: int | None
) -> tuple[OpenedAgent, str]:
    """The agent and what people call it."""
    from als_engine.agents.saving import open_agent

    if agent is not None:
        opened = open_agent(agent, scenario, arguments, drive, fewer_sensors=True)
        named = opened.record.agent if opened.record else agent
        return opened, f"{named} of {Path(agent).name}" if opened.record else named
    name = "expert" if _has_expert(scenario, arguments) else "random"
    return open_agent(name, scenario, arguments, drive), name


def _has_expert(scenario: str | None, arguments: Mapping[str, Any]) -> bool:
    from als_engine.simulation import simulate

    assert scenario is not None
    simulation = simulate(scenario, 1, 1, **{**arguments, "sensors": list(_CHEAP)})
    try:
        simulation.reset([0])
        simulation.expert_actions()
    except NoExpertError:
        return False
    finally:
        simulation.close()
    return True


def open_stage(
    place: str,
    agent: str | None,
    arguments: Mapping[str, Any],
    *,
    drive: int | None = None,
    seed: int = 0,
    record: Path | None = None,
    as_agents: bool = False,
) -> Stage:
    """Opens a recording or a run that goes on where there is one, and a live world else.

    Args:
        place: a scenario's id, or the path of a saved agent, a recording or a run that goes on.
        agent: as `open_live` takes it, and so with the others.
        arguments: of the scenario.
        drive: how many avatars the agent drives.
        seed: of the episodes.
        record: folder for the episodes.
        as_agents: as `open_live` takes it.

    Raises:
        ALSError: it can be neither.
    """
    given = None if agent is None and record is None else "--record" if agent is None else "--agent"
    if not is_scenario(place) and is_run(Path(place)):
        if given:
            raise ArgumentError(f"{place} is a run that goes on: {given} changes nothing in it")
        return RunStage(Path(place))
    if is_scenario(place) or not is_recording(Path(place)):
        return open_live(
            place, agent, arguments, drive=drive, seed=seed, record=record, as_agents=as_agents
        )
    if as_agents:
        raise ArgumentError(f"{place} is a recording: nobody can be taught in it")
    if given:
        raise ArgumentError(f"{place} is a recording, of what was: {given} changes nothing")
    return open_recording(Path(place))


def lobby_of(stage: Stage, *, patient: bool = False) -> Lobby:
    """The lobby of a stage: only a live world can be joined. `patient` as `Lobby` takes it."""
    if isinstance(stage, LiveStage | ReplayStage):
        return Lobby(stage.simulation, open=isinstance(stage, LiveStage), patient=patient)
    return Closed()


def open_teaching(stage: Stage, folder: Path, agent: str, purpose: str | None = None) -> Teaching:
    """Lets persons teach on a stage that `open_stage` has opened, with `as_agents`.

    Args:
        stage: live.
        folder: new, empty, or what was taught before.
        agent: what acts there: a saved agent's folder, which can learn, or an id.
        purpose: what persons are told that it is for; None for the usual.

    Raises:
        ALSError: the folder, or the levels, are not as they should be.
    """
    from als_engine.agents.saving import find_agent
    from als_plugins.serve.teaching.session import PURPOSE, Teaching

    assert isinstance(stage, LiveStage)
    saved = Path(agent) if isinstance(find_agent(agent)[0], Path) else None
    return Teaching(folder, stage, agent=saved, purpose=purpose or PURPOSE)

"""From what stands on the command line to a stage: which world, which agent, or which recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_engine.errors import ArgumentError, NoExpertError
from als_engine.plugins.registry import registry
from als_plugins.serve.following import FollowingStage
from als_plugins.serve.lobby import Closed, Lobby
from als_plugins.serve.recording import Recorder, ReplayStage, is_recording, open_recording
from als_plugins.serve.run_stage import RunStage, is_run
from als_plugins.serve.stage import LiveStage, Stage

if TYPE_CHECKING:
    from als_engine.agents.saving import OpenedAgent
    from als_engine.simulation import Simulation
    from als_plugins.serve.teaching.session import Teaching

__all__ = ["is_scenario", "lobby_of", "open_live", "open_stage", "open_teaching"]

_CHEAP: Final = ("proprioception",)
"""What is sensed where nobody looks at it: the agent knows everything, or nothing."""


def is_scenario(word: str) -> bool:
    """Whether a word is a scenario's id, rather than a folder's path."""
    return any(spec.id == word for spec in registry.scenarios()) or not (
        Path(word).exists() or word.startswith((".", "/"))
    )


class _Opening:
    """An agent, and what is asked for of the worlds that it is to be in.

    Attributes:
        scenario, observers, arguments: what worlds are made with.
        label: what people call the agent.
        seed: of the episodes.
    """

    def __init__(
        self,
        place: str,
        agent: str | None,
        arguments: Mapping[str, Any],
        drive: int | None,
        seed: int,
        record: Path | None,
        as_agents: bool,
        company: str | None,
    ) -> None:
        """Finds the agent; the arguments are those of `open_live`."""
        from als_engine.agents.saving import NOT_SAVED
        from als_engine.physics.engines import preload

        for_agent = {name: value for name, value in arguments.items() if name not in NOT_SAVED}
        scenario = registry.scenario(place).id if is_scenario(place) else None
        if scenario is None and agent is not None:
            raise ArgumentError(
                f"{place} is a saved agent: give --agent with a scenario's id alone"
            )
        if record is not None and company is not None:
            raise ArgumentError("--record keeps what one agent does: leave --company out")
        named = agent or (None if scenario else place)
        opened, self.label = _agent(scenario, named, for_agent, drive)
        self.scenario, self.observers, self._acts = opened.scenario, opened.observers, opened.agent
        self.arguments: dict[str, Any] = {**opened.arguments, **arguments}
        knows = opened.record is None and self.label in ("random", "expert") and not as_agents
        if knows and "sensors" not in self.arguments:
            self.arguments["sensors"] = list(_CHEAP)
        self.seed, self._record, self._company = seed, record, company
        self._as_agents = as_agents
        self._recorder: Recorder | None = None
        preload(self.arguments)

    def stage(self, arguments: Mapping[str, Any]) -> LiveStage:
        """Opens a world with such arguments."""
        from als_engine.simulation import simulate

        simulation = simulate(self.scenario, 1, self.observers, **arguments)
        try:
            if self._company is not None:
                from als_engine.evaluation.company import keep_company

                keep_company(simulation, self._company)
            stage = LiveStage(
                simulation, self._acts, self.label, self.seed, self._watch(simulation, arguments),
                as_agents=self._as_agents,
            )  # fmt: skip
            stage.arguments = arguments
            return stage
        except BaseException:
            simulation.close()
            raise

    def _watch(self, simulation: Simulation, arguments: Mapping[str, Any]) -> Recorder | None:
        if self._recorder is not None:
            self._recorder.use(simulation, arguments)
        elif self._record is not None:
            self._recorder = Recorder(self._record, simulation, self.label, arguments)
        return self._recorder


def open_live(
    place: str,
    agent: str | None,
    arguments: Mapping[str, Any],
    *,
    drive: int | None = None,
    seed: int = 0,
    record: Path | None = None,
    as_agents: bool = False,
    company: str | None = None,
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
        company: the agent that drives the avatars which `agent` does not; None for behaviours.

    Raises:
        ALSError: something of that is not as it should be; says what.
    """
    opening = _Opening(place, agent, arguments, drive, seed, record, as_agents, company)
    return opening.stage(opening.arguments)


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
    difficulty: str | None = None,
    company: str | None = None,
) -> Stage:
    """Opens a recording or a run that goes on where there is one, and a live world else.

    Args:
        place: a scenario's id, or the path of a saved agent, a recording or a run that goes on.
        agent: as `open_live` takes it, and so with the others.
        arguments: of the scenario.
        drive: how many avatars the agent drives.
        seed: of the episodes.
        record: folder for the episodes.
        as_agents: as `open_live` takes it, and so with `company`.
        difficulty: follows whoever plays, as `difficulty_of` takes it; None for none.
        company: the agent that drives the avatars which `agent` does not.

    Raises:
        ALSError: it can be neither.
    """
    named = {
        "--agent": agent, "--record": record, "--difficulty": difficulty, "--company": company
    }  # fmt: skip
    given = next((option for option, value in named.items() if value is not None), None)
    if not is_scenario(place) and is_run(Path(place)):
        if given:
            raise ArgumentError(f"{place} is a run that goes on: {given} changes nothing in it")
        return RunStage(Path(place))
    if is_scenario(place) or not is_recording(Path(place)):
        opening = _Opening(place, agent, arguments, drive, seed, record, as_agents, company)
        if difficulty is None:
            return opening.stage(opening.arguments)
        from als_engine.agents.curriculum.difficulty import difficulty_of

        follows = difficulty_of(
            difficulty, opening.scenario, opening.observers, opening.arguments, seed
        )
        return FollowingStage(follows, opening.stage, opening.label, seed)
    if as_agents:
        raise ArgumentError(f"{place} is a recording: nobody can be taught in it")
    if given:
        raise ArgumentError(f"{place} is a recording, of what was: {given} changes nothing")
    return open_recording(Path(place))


def lobby_of(stage: Stage, *, patient: bool = False) -> Lobby:
    """The lobby of a stage: only a live world can be joined. `patient` as `Lobby` takes it."""
    if isinstance(stage, LiveStage | FollowingStage | ReplayStage):
        return Lobby(stage.simulation, open=not isinstance(stage, ReplayStage), patient=patient)
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

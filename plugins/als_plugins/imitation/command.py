"""`als imitate`: trains an agent from demonstrations, and can be interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.bars import training_bar
from als_engine.cli.shared import MAX_STEPS, MAX_WORLDS, Arg, Device, Physics
from als_engine.cli.train import (
    Begin,
    Every,
    Id,
    Observers,
    Out,
    Seed,
    Sensors,
    Set,
    Track,
    Workers,
    check_same,
    free_folder,
    given,
    learner,
    report,
)
from als_engine.errors import ArgumentError
from als_engine.options import scenario_arguments

if TYPE_CHECKING:
    from als_engine.agents.training import Trained

__all__ = ["imitate"]

Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="Who demonstrates: expert (by default), heuristic:rule=NAME, a saved agent's folder, "
        "or a dataset.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="bc|dagger",
        help="bc: the source drives; dagger, by default: the agent drives more and more.",
    ),
]
Agent = Annotated[
    str | None,
    typer.Option(
        metavar="ID[:KEY=VALUE,...]",
        help="The learner, mappo (by default) or ppo; with --begin the saved agent's.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Demonstrated steps over all avatars; by default 100000, or all of a dataset.",
        min=1,
        max=MAX_STEPS,
    ),
]
Worlds = Annotated[
    int | None, typer.Option(help="Worlds stepped at once; by default 32.", min=1, max=MAX_WORLDS)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the imitation in --out from its checkpoint.")
]


def imitate(
    id: Id = None,
    source: Source = None,
    method: Method = None,
    agent: Agent = None,
    steps: Steps = None,
    worlds: Worlds = None,
    workers: Workers = None,
    observers: Observers = None,
    seed: Seed = None,
    out: Out = None,
    sensors: Sensors = None,
    settings: Set = None,
    arguments: Arg = None,
    physics: Physics = None,
    checkpoint_every: Every = None,
    device: Device = None,
    begin: Begin = None,
    track: Track = None,
    resume: Resume = False,
) -> None:
    """Train an agent, new or saved, from demonstrations; Ctrl-C saves a checkpoint.

    Example: als imitate ALS/Tag-v0 --from expert --steps 100000 --out runs/tag

    Reinforcement learning goes on from it: als train ALS/Tag-v0 --begin runs/tag --out runs/tag2
    """
    agent, config = learner(agent, settings)
    fixed = {
        "source": source,
        "method": method,
        "agent": agent,
        "worlds": worlds,
        "observers": observers,
        "seed": seed,
        "checkpoint_every": checkpoint_every,
        "begin": begin,
    }
    variable = {"steps": steps, "workers": workers, "device": device, "track": track}
    shown = scenario_arguments(arguments, sensors=sensors, physics=physics)
    if resume:
        trained, folder = _resume(
            out,
            given({**fixed, "scenario": id, "arguments": shown or None}),
            config,
            given(variable),
        )
    else:
        trained, folder = _begin(id, out, shown, config, given({**fixed, **variable}))
    report(trained, folder, "imitate")


def _begin(
    id: str | None,
    out: Path | None,
    arguments: dict[str, Any],
    config: dict[str, Any],
    others: dict[str, Any],
) -> tuple[Trained, Path]:
    from als_engine.physics.engines import preload
    from als_plugins.imitation.imitate import imitate as run

    preload(arguments)
    if id is None:
        raise ArgumentError("name a scenario; `als list` shows them")
    folder = out or free_folder(id, f"{others.get('agent', 'mappo')}-imitation")
    with training_bar() as show:
        trained = run(
            id, folder=folder, arguments=arguments, config=config, on_progress=show, **others
        )
    return trained, folder


def _resume(
    out: Path | None, asked: dict[str, Any], config: dict[str, Any], variable: dict[str, Any]
) -> tuple[Trained, Path]:
    from als_engine.agents.saving import agent_folder
    from als_engine.agents.training import absolute
    from als_engine.physics.engines import preload
    from als_plugins.imitation.imitate import ImitationFolder, resume_imitation, where
    from als_plugins.imitation.parameters import divided

    if out is None:
        raise ArgumentError("--resume needs --out, the folder of the imitation")
    job = ImitationFolder(out).job().model_dump()
    preload(job["arguments"])
    own, others = divided(config)
    asked = {**asked, "imitation": own, "config": absolute(job["agent"], others)}
    if "begin" in asked:
        asked["begin"] = str(agent_folder(asked["begin"]).resolve())
    if "source" in asked:
        asked["source"] = where(asked["source"])
    check_same(out, job, asked)
    with training_bar() as show:
        return resume_imitation(out, on_progress=show, **variable), out

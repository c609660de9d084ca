"""`als train`: trains a learner on a scenario, with a progress bar, and can be interrupted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.checks import one_of
from als_engine.cli.bars import number, training_bar
from als_engine.cli.console import say
from als_engine.cli.shared import (
    INTERRUPTED,
    MAX_AVATARS,
    MAX_STEPS,
    MAX_TRAINING_SEED,
    MAX_WORKERS,
    MAX_WORLDS,
    Arg,
    Device,
    Physics,
)
from als_engine.errors import ArgumentError
from als_engine.options import agent_options, parse_pairs, scenario_arguments
from als_engine.plugins.registry import registry
from als_engine.texts import command

if TYPE_CHECKING:
    from als_engine.agents.training import Trained

__all__ = ["check_same", "free_folder", "given", "learner", "report", "train"]


Id = Annotated[
    str | None, typer.Argument(metavar="ID", help="The scenario; with --resume none is needed.")
]
Agent = Annotated[
    str | None,
    typer.Option(
        metavar="ID[:KEY=VALUE,...]",
        help="The learner, by default ppo; `als list learner` shows them. Its hyperparameters "
        "can also be given by --set.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Environment steps over all avatars; by default 100000.", min=1, max=MAX_STEPS
    ),
]
Worlds = Annotated[
    int | None, typer.Option(help="Worlds stepped at once; by default 16.", min=1, max=MAX_WORLDS)
]
Workers = Annotated[
    int | None, typer.Option(help="Processes that step them; by default 1.", min=1, max=MAX_WORKERS)
]
Observers = Annotated[
    int | None,
    typer.Option(
        "--drive",
        help="Avatars of each world that learn, sharing one policy; 1.",
        min=1,
        max=MAX_AVATARS,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Of the learner and the worlds; by default 0.", min=0, max=MAX_TRAINING_SEED),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for everything that is written; by default runs/...")
]
Sensors = Annotated[
    str | None, typer.Option(help="Observation keys, such as proprioception,entities.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter.")
]
Every = Annotated[
    int | None,
    typer.Option(help="Steps between checkpoints; by default 50000.", min=1, max=MAX_STEPS),
]
Begin = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A saved agent to go on from in a new training; its learner, arguments and network.",
    ),
]
Track = Annotated[
    str | None,
    typer.Option(help="wandb: to Weights & Biases as well; WANDB_MODE=offline needs no network."),
]
Curriculum = Annotated[
    str | None,
    typer.Option(
        metavar="plr|FILE",
        help="plr: levels that still teach are drawn more often; or a TOML file whose stages widen "
        "arguments of the scenario as validation levels are solved.",
    ),
]
Itself = Annotated[
    bool,
    typer.Option("--self-play", help="Learn all roles, against past selves and scripted players."),
]
PoolOf = Annotated[
    list[str] | None,
    typer.Option(
        "--pool",
        metavar="KEY=VALUE",
        help="With --self-play: size (8 past selves, one joins at each checkpoint), newest (0.5 of "
        "the episodes against the newest), scripted (0.25 of the worlds with scripted players), "
        'rivals (saved agents that stay in the pool, such as ["runs/one"]).',
    ),
]
DisturbBy = Annotated[
    list[str] | None,
    typer.Option(
        "--disturb",
        metavar="KEY=VALUE",
        help="Learn from disturbed observations: noise (Gaussian, as a part of each sensor's "
        "range), drop (probability that one is the last one again).",
    ),
]
EqualiseBy = Annotated[
    list[str] | None,
    typer.Option(
        "--equalise",
        metavar="KEY=VALUE",
        help="Learn for the groups of people that are served worst, where the scenario has some: "
        "weight (of their outcomes, in rewards), sharpness (how much more the worst count).",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the training in --out from its checkpoint.")
]


def train(
    id: Id = None,
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
    curriculum: Curriculum = None,
    self_play: Itself = False,
    pool: PoolOf = None,
    disturb: DisturbBy = None,
    equalise: EqualiseBy = None,
    resume: Resume = False,
) -> None:
    """Train an agent on a scenario; Ctrl-C saves a checkpoint.

    Example: als train ALS/Tag-v0 --sensors proprioception,entities --steps 200000 --out runs/tag
    """
    agent, config = learner(agent, settings)
    fixed = {
        "agent": agent,
        "worlds": worlds,
        "observers": observers,
        "seed": seed,
        "checkpoint_every": checkpoint_every,
        "begin": begin,
        "curriculum": curriculum,
        "self_play": _self_play(self_play, pool),
        "disturb": parse_pairs(disturb, "--disturb") or None,
        "equalise": parse_pairs(equalise, "--equalise") or None,
    }
    variable = {"steps": steps, "workers": workers, "device": device, "track": track}
    arguments_given = scenario_arguments(arguments, sensors=sensors, physics=physics)
    if resume:
        asked = {
            **fixed,
            "scenario": id,
            "arguments": arguments_given or None,
            "config": config or None,
        }
        trained, folder = _resume(out, given(asked), given(variable))
    else:
        others = given({**fixed, **variable})
        trained, folder = _begin(id, out, arguments_given, config, others)
    report(trained, folder)


def learner(agent: str | None, settings: list[str] | None) -> tuple[str | None, dict[str, Any]]:
    """A learner's id, and its hyperparameters: those behind the id, and those of `--set`.

    Raises:
        ArgumentError: a hyperparameter cannot be read or comes twice, or it is a saved agent.
    """
    config = parse_pairs(settings, "--set")
    if agent is None:
        return None, config
    name, own = agent_options(agent)
    if twice := sorted(own.keys() & config.keys()):
        raise ArgumentError(f"--agent {agent} and --set both say {twice[0]}")
    if isinstance(registry.agent_or_path(name), Path):
        begin = command("--begin", Path(name))
        raise ArgumentError(f"--agent names a learner; to go on from a saved agent: {begin}")
    return name, {**own, **config}


def _self_play(asked: bool, pool: list[str] | None) -> dict[str, Any] | None:
    """The settings of self-play that were given; None where there is to be none."""
    if pool and not asked:
        raise ArgumentError("--pool goes with --self-play")
    return parse_pairs(pool, "--pool") if asked else None


def _begin(
    id: str | None,
    out: Path | None,
    arguments: dict[str, Any],
    config: dict[str, Any],
    others: dict[str, Any],
) -> tuple[Trained, Path]:
    from als_engine.agents.training import Disturb, Equalise, SelfPlay, train_agent
    from als_engine.models import checked_fields
    from als_engine.physics.engines import preload

    preload(arguments)
    if id is None:
        raise ArgumentError("name a scenario; `als list` shows them")
    name = others.get("agent") or ("ppo" if "begin" not in others else "begun")
    others.setdefault("steps", 100_000)
    folder = out or free_folder(id, name)
    if "self_play" in others:
        for name in others["self_play"]:
            one_of("--pool", name, SelfPlay.model_fields)
        with checked_fields():
            others["self_play"] = SelfPlay(**others["self_play"])
    if "disturb" in others:
        with checked_fields():
            others["disturb"] = Disturb(**others["disturb"])
    if "equalise" in others:
        with checked_fields():
            others["equalise"] = Equalise(**others["equalise"])
    with training_bar() as show:
        trained = train_agent(
            id, folder=folder, arguments=arguments, config=config, on_progress=show, **others
        )
    return trained, folder


def _resume(
    out: Path | None, asked: dict[str, Any], variable: dict[str, Any]
) -> tuple[Trained, Path]:
    from als_engine.agents.curriculum.settings import parse
    from als_engine.agents.saving import agent_folder
    from als_engine.agents.training import absolute, read_job, resume_training
    from als_engine.physics.engines import preload

    if out is None:
        raise ArgumentError("--resume needs --out, the folder of the training")
    job = read_job(out).model_dump()
    preload(job["arguments"])
    if "config" in asked:
        asked["config"] = absolute(job["agent"], asked["config"])
    if "curriculum" in asked:
        asked["curriculum"] = parse(asked["curriculum"]).model_dump()
    if "begin" in asked:
        asked["begin"] = str(agent_folder(asked["begin"]).resolve())
    check_same(out, job, asked)
    with training_bar() as show:
        return resume_training(out, on_progress=show, **variable), out


def check_same(out: Path, job: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuses to go on with a run as if it had been begun otherwise.

    Args:
        out: its folder.
        job: its settings.
        asked: settings that were given beside --resume; of a dict some of what is in it.

    Raises:
        ArgumentError: one of them is another; names it.
    """
    for name, value in asked.items():
        known = job[name]
        both = isinstance(value, dict) and isinstance(known, dict)
        same = {**known, **value} == known if both else value == known
        if not same:
            raise ArgumentError(
                f"{out} was begun with {name}={job[name]}, which --resume cannot change"
            )


def report(trained: Trained, folder: Path, verb: str = "train") -> None:
    """Says what came of it.

    Args:
        trained: what came of it.
        folder: where it is.
        verb: the command that goes on with it.

    Raises:
        typer.Exit: it was interrupted.
    """
    progress = trained.progress
    if trained.tracked:
        say(f"Tracked by W&B: {trained.tracked}")
    if trained.stopped:
        say(
            f"Stopped at step {progress.steps:,} of {progress.total:,}. "
            f"Go on with: {command('als', verb, '--resume', '--out', folder)}",
            error=True,
        )
        raise typer.Exit(INTERRUPTED)
    speed = ""
    if trained.record.training is not None and trained.seconds > 0:
        speed = f" in {trained.seconds:,.0f} s"
    found = "too few episodes have ended to say how good it is"
    if not math.isnan(progress.mean_return):
        success = number(progress.success, percent=True)
        found = f"return {number(progress.mean_return)}, success {success} over the last episodes"
    say(f"Trained {progress.steps:,} steps{speed}: {found}.")
    say(f"Saved to {folder}. See how good it is: {command('als', 'evaluate', folder)}")


def given(values: dict[str, Any]) -> dict[str, Any]:
    """What was given of some options."""
    return {name: value for name, value in values.items() if value is not None}


def free_folder(scenario: str, agent: str) -> Path:
    """`runs/scenario-agent`, or with a number behind it where that exists."""
    name = f"{scenario.rpartition('/')[2].lower()}-{agent.replace('/', '-')}"
    folder = Path("runs") / name
    number = 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder

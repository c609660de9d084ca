"""`als adapt`: goes on training a saved agent from feedback, and undoes what makes it worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.bars import training_bar
from als_engine.cli.console import say
from als_engine.cli.shared import INTERRUPTED, MAX_STEPS, MAX_TRAINING_SEED, MAX_WORLDS, On, Physics
from als_engine.errors import ArgumentError, unknown
from als_engine.options import parse_pairs, scenario_arguments
from als_engine.texts import command

if TYPE_CHECKING:
    from als_plugins.adaptation.adapt import Adapted
    from als_plugins.adaptation.records import Round

__all__ = ["adapt"]


Agent = Annotated[
    str | None,
    typer.Argument(metavar="AGENT", help="Folder of a trained agent; with --resume none."),
]
Feedback = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="simulated:NOISE[,rate=SHARE][,delay=LEAST-MOST], a FILE of events, "
        "live[:PATH][,pace=FPS], page[:PORT][,pace=FPS], none or frozen; by default simulated:0.1.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(help="Steps over all avatars; by default 100000.", min=1, max=1000000000),
]
Out = Annotated[Path | None, typer.Option(help="Folder for everything; by default runs/...")]
Drift = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="A scenario argument that changes half-way."),
]
Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="KEY=VALUE", help="A scenario argument, if other than saved."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Such as task_weight=0 or learning_rate=1e-5."),
]
Every = Annotated[
    int | None, typer.Option(help="Steps of a round; by default 8192.", min=1, max=MAX_STEPS)
]
Episodes = Annotated[
    int | None, typer.Option(help="Of each evaluation; by default 32.", min=2, max=10000)
]
Worlds = Annotated[
    int | None, typer.Option(help="Worlds stepped at once; by default 16.", min=1, max=MAX_WORLDS)
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Of learner, worlds and teacher; by default 0.", min=0, max=MAX_TRAINING_SEED
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the adaptation in --out.")]


def adapt(
    agent: Agent = None,
    on: On = None,
    feedback: Feedback = None,
    steps: Steps = None,
    out: Out = None,
    drift: Drift = None,
    arguments: Arg = None,
    physics: Physics = None,
    settings: Set = None,
    evaluate_every: Every = None,
    episodes: Episodes = None,
    worlds: Worlds = None,
    seed: Seed = None,
    resume: Resume = False,
) -> None:
    """Go on training a saved agent from feedback; what makes it worse is rolled back.

    Example: als adapt runs/tag --feedback simulated:0.1 --drift background=corner --out runs/tag-2
    """
    named: dict[str, Any] = {"steps": steps, "evaluate_every": evaluate_every, "episodes": episodes}
    named |= {"worlds": worlds, "seed": seed, "feedback": feedback, "scenario": on}
    given: dict[str, Any] = {k: v for k, v in named.items() if v is not None}
    if changed := scenario_arguments(arguments, physics=physics):
        given["arguments"] = changed
    given |= {"drift": parse_pairs(drift, "--drift")} if drift else {}
    for name, value in parse_pairs(settings, "--set").items():
        if name in given or name in {"agent", "scenario", "arguments", "drift", "feedback"}:
            raise ArgumentError(f"--set {name}: use the option of that name, once")
        given[name] = value
    adapted = _resume(agent, out, given) if resume else _begin(agent, out, given)
    _report(adapted)


def _begin(agent: str | None, out: Path | None, given: dict[str, Any]) -> Adapted:
    from als_plugins.adaptation.adapt import adapt as run
    from als_plugins.adaptation.records import Job

    if agent is None:
        raise ArgumentError("name the folder of a trained agent; `als train` makes one")
    for name in given:
        if name not in Job.model_fields:
            raise ArgumentError(unknown("setting", name, sorted(Job.model_fields)))
    given.setdefault("steps", 100_000)
    folder = out or _free_folder(f"{Path(agent).resolve().name}-adapted")
    with training_bar() as show:
        return run(agent, folder=folder, on_progress=show, on_round=_say, **given)


def _resume(agent: str | None, out: Path | None, given: dict[str, Any]) -> Adapted:
    from als_plugins.adaptation.adapt import read_adaptation, resume_adaptation
    from als_plugins.adaptation.opening import absolute

    if out is None:
        raise ArgumentError("--resume needs --out, the folder of the adaptation")
    job = read_adaptation(out).model_dump()
    asked = {**given, "agent": str(Path(agent).resolve())} if agent is not None else given
    if "feedback" in asked:
        asked["feedback"] = absolute(asked["feedback"])
    for name, value in asked.items():
        if job.get(name) != value:
            raise ArgumentError(
                f"{out} was begun with {name}={job.get(name)}, which --resume cannot change"
            )
    with training_bar() as show:
        return resume_adaptation(out, on_progress=show, on_round=_say)


def _say(line: Round) -> None:
    say(line.message[:1].upper() + line.message[1:] + ".")


def _report(adapted: Adapted) -> None:
    """Says what came of it.

    Raises:
        typer.Exit: it was interrupted.
    """
    if adapted.stopped:
        again = command("als", "adapt", "--resume", "--out", adapted.folder)
        say(f"Stopped. Go on with: {again}", error=True)
        raise typer.Exit(INTERRUPTED)
    first, last = adapted.rounds[0], adapted.rounds[-1]
    undone = f", {adapted.rolled_back} rounds rolled back" if adapted.rolled_back else ""
    say(
        f"Return {first.mean:.2f} before, {last.best:.2f} now{undone}, by the {adapted.split} "
        f"episodes that chose what to keep. Saved to {adapted.folder}; the curve is in "
        f"{adapted.folder / 'adaptation.svg'}. What it reaches on the test split, by which nothing "
        f"was chosen: {command('als', 'evaluate', adapted.folder)}"
    )


def _free_folder(name: str) -> Path:
    """`runs/name`, or with a number behind it where that exists."""
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder

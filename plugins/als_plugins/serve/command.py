"""`als serve`: a world in the browser, for people to watch and to be in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.checks import check_undecided
from als_engine.cli.console import spinner
from als_engine.cli.shared import MAX_AVATARS, MAX_LEVEL, MAX_SEED, Company, Difficulty, Physics
from als_engine.errors import ArgumentError
from als_engine.options import scenario_arguments
from als_plugins.serve.listening import Host, Open, Port, listen, tell

__all__ = ["serve"]


def serve(
    what: Annotated[
        str,
        typer.Argument(
            help="A scenario such as ALS/Tag-v0, the folder of a saved agent, a recording, or a "
            "run: the folder of a training or adaptation that goes on, or a benchmark's results.",
            metavar="ID|AGENT|RECORDING|RUN",
        ),
    ],
    agent: Annotated[
        str | None,
        typer.Option(
            help="Who acts where no person does: `expert`, `random`, or an agent's folder."
        ),
    ] = None,
    port: Port = None,
    host: Host = "127.0.0.1",
    open: Open = True,
    paused: Annotated[
        bool, typer.Option("--paused", help="Wait for somebody to start it.")
    ] = False,
    level: Annotated[
        int | None, typer.Option(help="Always this level.", min=0, max=MAX_LEVEL)
    ] = None,
    split: Annotated[
        str, typer.Option(help="Where levels are drawn from: train|validation|test")
    ] = "train",
    seed: Annotated[
        int, typer.Option(help="Another one gives other episodes.", min=0, max=MAX_SEED)
    ] = 0,
    drive: Annotated[
        int | None,
        typer.Option(help="How many avatars the agent drives.", min=1, max=MAX_AVATARS),
    ] = None,
    limited: Annotated[
        bool,
        typer.Option(
            "--limited", help="Persons are sent what their avatar sees and hears, and no more."
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(help="Folder, new or empty, for episodes that `als serve` shows again."),
    ] = None,
    teach: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what persons show and praise; the agent learns from it.",
            metavar="FOLDER",
        ),
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="What persons are told that --teach is for, before they agree."),
    ] = None,
    difficulty: Difficulty = None,
    company: Company = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as num_avatars=4; can be repeated."),
    ] = None,
    physics: Physics = None,
) -> None:
    """Open a world in the browser: watch it, join it, drive an avatar.

    Example: als serve ALS/Tag-v0
    """
    from als_plugins.serve.opening import is_scenario, lobby_of, open_stage, open_teaching
    from als_plugins.serve.server import bind
    from als_plugins.serve.show import Show

    if teach is not None and difficulty is not None:
        raise ArgumentError("--difficulty changes the world: nobody is taught there meanwhile")
    if purpose is not None and (teach is None or not 0 < len(purpose) <= 300):
        raise ArgumentError("--purpose is a sentence of at most 300 characters, with --teach")
    given = scenario_arguments(arg, physics=physics)
    check_undecided(
        "serve", given, split="--split", seed="--seed", observers="--drive", level="--level"
    )
    fixed = {} if level is None else {"level": level}
    listening = bind(host, port)
    with spinner("Opening the world"):
        stage = open_stage(
            what, agent, {"split": split, **fixed, **given}, drive=drive, seed=seed, record=record,
            as_agents=teach is not None, difficulty=difficulty, company=company,
        )  # fmt: skip
        teaching = None
        if teach is not None:
            acts = (agent or "expert") if is_scenario(what) else what
            teaching = open_teaching(stage, teach, acts, purpose)
    lobby = lobby_of(stage, patient=teach is not None)
    if limited and not lobby.open:
        stage.close()
        raise ArgumentError(f"{what} is only watched: --limited goes with a world to be in")
    show = Show(stage, lobby, paused=paused, limited=limited, say=tell, guide=teaching)
    listen(show, listening, host, open, what, "Ctrl-C ends it.")

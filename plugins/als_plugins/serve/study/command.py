"""`als study`: persons take part in a study, or play a benchmark's episodes, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.console import spinner
from als_plugins.serve.listening import Host, Open, Port, listen, tell

__all__ = ["study"]


def study(
    what: Annotated[
        str,
        typer.Argument(
            help="The TOML file of a study, or a benchmark's suite, whose episodes are played.",
            metavar="FILE|SUITE",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results, new or of this study; by default runs/NAME."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ENTRY", help="Of a suite, only this entry; repeatable."),
    ] = None,
    episodes: Annotated[
        int, typer.Option(help="Of a suite, for each person and entry.", min=1, max=100)
    ] = 3,
    port: Port = None,
    host: Host = "127.0.0.1",
    open: Open = True,
) -> None:
    """Let persons take part in a study in the browser; results are tables without names.

    Example: als study docs/examples/study.toml --out runs/study
    """
    from als_plugins.serve.lobby import Lobby
    from als_plugins.serve.server import bind
    from als_plugins.serve.show import Show
    from als_plugins.serve.study.opening import open_plan
    from als_plugins.serve.study.session import StudySession

    folder = out or Path("runs") / Path(what).stem
    plan = open_plan(what, folder, only or [], episodes)
    listening = bind(host, port)
    with spinner("Opening the first world"):
        session = StudySession(plan, folder)
    show = Show(session.stage, Lobby(session.stage.simulation), say=tell, guide=session)
    ends = f"Ctrl-C ends it; results are in {folder}, and the same command goes on."
    listen(show, listening, host, open, plan.study.title, ends)

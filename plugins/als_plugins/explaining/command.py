"""`als explain`: where a trained agent's attention goes, and what its decisions hang on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from als_engine.options import parse_pairs

__all__ = ["explain"]

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The folder of a trained agent.")]
On = Annotated[
    str | None, typer.Option(metavar="ID", help="The scenario; by default the agent's own.")
]
Episodes = Annotated[int, typer.Option(help="How many episodes are played.", min=1, max=100)]
Seed = Annotated[int, typer.Option(help="Of the first episode.")]
Steps = Annotated[int, typer.Option(help="At most so many of each episode.", min=1, max=2_000)]
Decisions = Annotated[int, typer.Option(help="How many decisions are taken apart.", min=1, max=20)]
Out = Annotated[Path, typer.Option(help="Folder for the animation and the page.")]
Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="KEY=VALUE", help="A scenario argument, such as level=10003."),
]


def explain(
    agent: Agent,
    on: On = None,
    episodes: Episodes = 1,
    seed: Seed = 0,
    steps: Steps = 60,
    decisions: Decisions = 3,
    out: Out = Path("explained"),
    arguments: Arg = None,
) -> None:
    """Look inside a trained agent: an animation of its attention, and why it decides as it does.

    Example: als explain runs/classroom --on ALS/Classroom-v0 --out explained
    """
    from als_engine.quiet import import_physics

    import_physics()
    from als_plugins.explaining.explain import explain as run

    given = parse_pairs(arguments)
    with _bar() as bar:
        task = bar.add_task("playing", total=episodes * steps)
        explained = run(
            agent, on, folder=out, episodes=episodes, seed=seed, steps=steps, decisions=decisions,
            arguments=given, on_step=lambda: bar.advance(task),
        )  # fmt: skip
    played = explained.recording
    typer.echo(
        f"Played {len(played.moments)} steps on {played.scenario}, "
        f"took {len(explained.decisions)} decisions apart."
    )
    typer.echo(f"Wrote {', '.join(path.name for path in explained.animations)} to {out}")
    typer.echo(f"Look at {explained.page}")


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )

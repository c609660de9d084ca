"""`als explain`: shows a trained agent's attention, and attributes its decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.console import BAR, OF, live, say
from als_engine.cli.shared import FirstSeed, Physics
from als_engine.options import scenario_arguments

__all__ = ["explain"]

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The folder of a trained agent.")]
On = Annotated[
    str | None, typer.Option(metavar="ID", help="The scenario; by default the agent's own.")
]
Episodes = Annotated[int, typer.Option(help="How many episodes are played.", min=1, max=100)]
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
    seed: FirstSeed = 0,
    steps: Steps = 60,
    decisions: Decisions = 3,
    out: Out = Path("explained"),
    arguments: Arg = None,
    physics: Physics = None,
) -> None:
    """Look inside a trained agent: an animation of its attention, and why it decides as it does.

    Example: als explain runs/classroom --on ALS/Classroom-v0 --out explained
    """
    from als_engine.physics.engines import preload
    from als_plugins.explaining.explain import explain as run

    given = scenario_arguments(arguments, physics=physics)
    preload(given)
    with live("playing", BAR, OF, total=episodes * steps) as update:
        explained = run(
            agent, on, folder=out, episodes=episodes, seed=seed, steps=steps, decisions=decisions,
            arguments=given, on_step=lambda: update(advance=1),
        )  # fmt: skip
    played = explained.recording
    say(
        f"Played {len(played.moments)} steps on {played.scenario}, "
        f"took {len(explained.decisions)} decisions apart."
    )
    say(f"Wrote {', '.join(path.name for path in explained.animations)} to {out}")
    say(f"Look at {explained.page}")

"""What several commands share: options, and the largest numbers that options take.

A number beyond them is a slip, and is refused before it costs memory.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

__all__ = [
    "AGENT",
    "INTERRUPTED",
    "MAX_AVATARS",
    "MAX_EPISODES",
    "MAX_LEVEL",
    "MAX_SEED",
    "MAX_STEPS",
    "MAX_TRAINING_SEED",
    "MAX_WORKERS",
    "MAX_WORLDS",
    "Arg",
    "Company",
    "Device",
    "Difficulty",
    "Episodes",
    "FirstSeed",
    "Json",
    "On",
    "Physics",
    "ReportSplit",
]

AGENT: Final = (
    "An agent's id, such as expert, random or heuristic:rule=NAME; or a saved one's folder"
)
"""What `--agent`, and AGENT in the first place, may be wherever somebody acts."""

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as shells have it: 128 + SIGINT."""

MAX_AVATARS: Final = 1_000
MAX_EPISODES: Final = 1_000_000
MAX_LEVEL: Final = (1 << 51) - 1
"""`als_engine.task.LAST_LEVEL`, an edited one."""
MAX_SEED: Final = (1 << 63) - 1
"""Of episodes: `seed + i` fits into 64 bits, whatever `i` is."""
MAX_TRAINING_SEED: Final = (1 << 31) - 1
MAX_STEPS: Final = 1_000_000_000_000
MAX_WORKERS: Final = 1_000
MAX_WORLDS: Final = 100_000

Physics = Annotated[
    str | None,
    typer.Option(
        help="What moves the bodies: bullet|mujoco; by default as saved, or the engine's default."
    ),
]

Difficulty = Annotated[
    str | None,
    typer.Option(
        metavar="RATE|FILE",
        help="Let the difficulty follow whoever plays, so that this part of the episodes succeeds, "
        "such as 0.6; or a TOML file with stages, as for `als train --curriculum`.",
    ),
]

Company = Annotated[
    str | None,
    typer.Option(
        metavar="AGENT", help="Who drives the avatars that the agent does not, such as a folder."
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")]

Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="KEY=VALUE", help="A scenario argument, such as num_avatars=2."),
]

FirstSeed = Annotated[int, typer.Option(help="Of the first episode.", min=0, max=MAX_SEED)]

On = Annotated[
    str | None, typer.Option(metavar="ID", help="The scenario; by default the saved agent's own.")
]

Episodes = Annotated[int, typer.Option(help="How many episodes.", min=1, max=MAX_EPISODES)]

ReportSplit = Annotated[
    str, typer.Option(help="Where levels come from: test to report, validation to choose, train.")
]

Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda; by default auto.")]

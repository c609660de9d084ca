"""Options that every command with a scenario has."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Physics"]

Physics = Annotated[
    str | None,
    typer.Option(help="What moves the bodies: bullet|mujoco; by default as saved, or bullet."),
]

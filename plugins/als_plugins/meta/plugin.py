"""The agent and the commands of this package, as data: what they need is imported when called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import AgentSpec, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_agents() -> list[AgentSpec]:
    """Offers `rl2` and `maml`."""
    return [
        AgentSpec(
            id="rl2",
            agent="als_plugins.meta.rl2:RL2",
            summary="PPO whose memory lasts over the episodes of one task (RL²).",
            needs=("learn",),
            trainable=True,
        ),
        AgentSpec(
            id="maml",
            agent="als_plugins.meta.maml:MAML",
            summary="A policy from which a few gradient steps go far: MAML, first order, Reptile.",
            needs=("learn",),
            trainable=True,
            action_modes=("discrete",),
        ),
    ]


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds `als meta`."""
    from als_plugins.meta.command import commands

    app.add_typer(commands(), name="meta")

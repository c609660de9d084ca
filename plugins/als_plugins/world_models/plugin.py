"""Adds `als model`, `planner` and `mbpo`; nothing else is imported before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import AgentSpec, hookimpl
from als_engine.plugins.specs import ACTION_MODES

if TYPE_CHECKING:
    import typer


@hookimpl
def als_agents() -> list[AgentSpec]:
    """Offers who acts by a model, and who learns with one."""
    return [
        AgentSpec(
            id="planner",
            agent="als_plugins.world_models.planner:Planner",
            summary="Plans over a world model: planner:model=FOLDER, of als model.",
            needs=("learn",),
            action_modes=ACTION_MODES,
        ),
        AgentSpec(
            id="mbpo",
            agent="als_plugins.world_models.mbpo:Mbpo",
            summary="mappo that also learns from short rollouts of a model of what it has seen.",
            needs=("learn",),
            trainable=True,
            action_modes=ACTION_MODES,
        ),
    ]


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    from als_plugins.world_models.command import model

    app.command("model")(model)

"""Adds the learner `es`; nothing else is imported before it is asked for."""

from __future__ import annotations

from als_engine import AgentSpec, hookimpl
from als_engine.plugins.specs import ACTION_MODES


@hookimpl
def als_agents() -> list[AgentSpec]:
    """Offers the learner."""
    return [
        AgentSpec(
            id="es",
            agent="als_plugins.evolution.learner:Evolution",
            summary="Evolution strategies (OpenAI-ES, CMA-ES): each world plays its own policy.",
            needs=("learn",),
            trainable=True,
            action_modes=ACTION_MODES,
        )
    ]

"""The scenario of the town, as data: its code is imported when it is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the town."""
    return [
        ScenarioSpec(
            id="ALS/World-v0",
            task="als_scenarios.town.world.world:World",
            family="town",
            summary="A town block: do whatever people ask for, at school, on the ward, anywhere.",
            max_episode_steps=800,
            num_avatars=8,
            min_avatars=8,
            max_avatars=10,
        )
    ]

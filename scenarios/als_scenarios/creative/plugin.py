"""The creative scenarios, as data: their code is imported when one of them is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the creative scenarios."""
    return [
        ScenarioSpec(
            id="ALS/Build-v0",
            task="als_scenarios.creative.building.build:Build",
            family="creative",
            summary="Stack blocks as a plan shows, as a sentence says, or as nobody has before.",
            max_episode_steps=600,
            num_avatars=2,
            min_avatars=1,
            max_avatars=4,
        )
    ]

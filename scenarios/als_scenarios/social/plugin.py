"""The social scenarios, as data: their code is imported when one of them is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the social scenarios."""
    return [
        ScenarioSpec(
            id="ALS/Gathering-v0",
            task="als_scenarios.social.gathering.gathering:Gathering",
            family="social",
            summary="A party: read moods, know voices, keep impostors out.",
            max_episode_steps=520,
            num_avatars=7,
            min_avatars=4,
            max_avatars=7,
        )
    ]

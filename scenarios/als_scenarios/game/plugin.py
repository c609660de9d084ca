"""The game scenarios, as data: their code is imported when one of them is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the game scenarios."""
    return [
        ScenarioSpec(
            id="ALS/Commons-v0",
            task="als_scenarios.game.commons.commons:Commons",
            family="game",
            summary="Foragers share fruit that regrows only near fruit, and a river to clean.",
            max_episode_steps=600,
            num_avatars=6,
            min_avatars=4,
            max_avatars=8,
        ),
        ScenarioSpec(
            id="ALS/Tag-v0",
            task="als_scenarios.game.tag:Tag",
            family="game",
            summary="Pursuit and evasion among obstacles, decided by contact.",
            max_episode_steps=240,
            num_avatars=2,
            min_avatars=2,
            max_avatars=8,
        ),
    ]

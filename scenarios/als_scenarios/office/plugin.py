"""The office scenarios, as data: their code is imported when one of them is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the office scenarios."""
    return [
        ScenarioSpec(
            id="ALS/Delivery-v0",
            task="als_scenarios.office.delivery:Delivery",
            family="office",
            summary="Couriers carry parcels to desks and push heavy crates together.",
            max_episode_steps=500,
            num_avatars=2,
            min_avatars=2,
            max_avatars=4,
        )
    ]

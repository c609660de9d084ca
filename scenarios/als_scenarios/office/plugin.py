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
        ),
        ScenarioSpec(
            id="ALS/Meeting-v0",
            task="als_scenarios.office.meeting.meeting:Meeting",
            family="office",
            summary="A note-taker among speakers who interrupt: understand, ask back, write it.",
            max_episode_steps=600,
            num_avatars=5,
            min_avatars=4,
            max_avatars=7,
        ),
    ]

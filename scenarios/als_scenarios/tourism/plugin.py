"""The scenarios of tourism and their shapes, as data: their code is imported when it is needed."""

from __future__ import annotations

from als_engine import ScenarioSpec, ShapeSpec, hookimpl

_SHAPES = ("Column", "Skeleton", "Statue", "Vase")


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the scenarios of tourism."""
    return [
        ScenarioSpec(
            id="ALS/Tour-v0",
            task="als_scenarios.tourism.tour.tour:Tour",
            family="tourism",
            summary="Guide visitors of unknown taste through a museum, and say why.",
            max_episode_steps=500,
            num_avatars=4,
            min_avatars=3,
            max_avatars=6,
        )
    ]


@hookimpl
def als_shapes() -> list[ShapeSpec]:
    """Offers the shapes of what stands on plinths."""
    module = "als_scenarios.tourism.tour.sculptures"
    return [ShapeSpec(f"ALS/{name.lower()}", f"{module}:{name}") for name in _SHAPES]

"""The medical scenarios, as data: their code is imported when one of them is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the medical scenarios."""
    return [
        ScenarioSpec(
            id="ALS/Diagnosis-v0",
            task="als_scenarios.medical.diagnosis:Diagnosis",
            family="medical",
            summary="A clinic with real patients: pay for measurements, then decide.",
            max_episode_steps=180,
            num_avatars=2,
            min_avatars=1,
            max_avatars=4,
        ),
        ScenarioSpec(
            id="ALS/Imaging-v0",
            task="als_scenarios.medical.imaging.imaging:Imaging",
            family="medical",
            summary="A reading room: see whether cell nuclei are malignant, and file each scan.",
            max_episode_steps=480,
            num_avatars=2,
            min_avatars=1,
            max_avatars=3,
        ),
        ScenarioSpec(
            id="ALS/Ward-v0",
            task="als_scenarios.medical.ward.ward:Ward",
            family="medical",
            summary="A diabetes ward: read monitors, give insulin or sugar, keep glucose in range.",
            max_episode_steps=600,
            num_avatars=2,
            min_avatars=1,
            max_avatars=4,
        ),
    ]

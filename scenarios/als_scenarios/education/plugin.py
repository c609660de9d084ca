"""The education scenarios, as data: their code is imported when one of them is made."""

from __future__ import annotations

from als_engine import ScenarioSpec, hookimpl


@hookimpl
def als_scenarios() -> list[ScenarioSpec]:
    """Offers the education scenarios."""
    return [
        ScenarioSpec(
            id="ALS/Classroom-v0",
            task="als_scenarios.education.classroom:Classroom",
            family="education",
            summary="A mathematics lesson: read and hear a question, walk onto its answer.",
            max_episode_steps=600,
            num_avatars=3,
            min_avatars=1,
            max_avatars=6,
        ),
        ScenarioSpec(
            id="ALS/Tutor-v0",
            task="als_scenarios.education.tutor.tutor:Tutor",
            family="education",
            summary="A teacher and pupils: decide whom to teach what, by practice or explanation.",
            max_episode_steps=700,
            num_avatars=5,
            min_avatars=3,
            max_avatars=7,
        ),
        ScenarioSpec(
            id="ALS/Vocabulary-v0",
            task="als_scenarios.education.vocabulary:Vocabulary",
            family="education",
            summary="A vocabulary lesson: walk to the thing that is named.",
            max_episode_steps=150,
            max_avatars=1,
        ),
    ]

"""A small dataset, collected once."""

from __future__ import annotations

import pytest

from als_plugins.experience.collect import collect


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experience") / "dataset"
    sensors = ["entities", "proprioception", "rgb", "text"]
    arguments = {"frame_size": 16, "sensors": sensors}
    for scenario in ("ALS/Tag-v0", "ALS/Classroom-v0"):
        # The actions of both have to be alike: Classroom's can say something as well.
        collect(scenario, folder, episodes=12, worlds=6, arguments=arguments)
    return folder

"""A sample of `benchmarks/moments.py`, which compares 100 moments of every scenario and view."""

from __future__ import annotations

import moments
import pytest

from als_engine.envs.single import SingleEnv
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry

SCENARIOS = [spec.id for spec in registry.scenarios()]
# Starting workers takes longer than all the others; `test_view_snapshots` has them.
VIEWS = [view for view in moments.VIEWS if view != "workers"]


@pytest.mark.parametrize("number", range(len(ENGINES)))
def test_moments_have_the_future_that_was_left(number, tmp_path):
    physics, views = list(ENGINES)[number], VIEWS[number :: len(ENGINES)]
    assert [*moments.differences(SCENARIOS[number], physics, views, 2, 15, tmp_path)] == []


def test_another_future_is_told(monkeypatch, tmp_path):
    def restore(env, snapshot):
        env.simulation.restore(snapshot)
        env.simulation.state.step += 1

    monkeypatch.setattr(SingleEnv, "restore", restore)
    stage = moments.open_stage("single", "ALS/Tag-v0", "mujoco")
    told = [*moments.here(stage, "single", 1, 3, tmp_path / "single")]
    stage.env.close()
    assert [line.partition(" in ")[2] for line in told] == [
        "a fork, step 1 differs",
        "the same worlds, step 1 differs",
    ]

"""The page is told of the primitives that the raster draws: the same places, sizes and colours."""

from __future__ import annotations

import numpy as np
import pytest

from als_engine.plugins.registry import registry
from als_engine.render import scene
from als_engine.simulation import Simulation, simulate
from als_plugins.serve.describing import Describer, names_of
from als_plugins.serve.turns import apply, inverse, product, quaternions

IDS = [spec.id for spec in registry.scenarios()]


def started(id: str, seed: int = 3) -> Simulation:
    simulation = simulate(id, 1, sensors=["proprioception"])
    simulation.reset([seed])
    return simulation


def placed(board: dict) -> np.ndarray:
    """The middle of every part in the world, in the order of the things."""
    rows = []
    for key, look in board.items():
        if key.startswith("look."):
            pose = np.array(board["pose." + key[5:]])
            for part in look["parts"]:
                rows.append(pose[:3] + apply(pose[3:], np.array(part["at"])))
    return np.array(rows)


@pytest.mark.parametrize("id", IDS)
def test_every_primitive_is_part_of_a_thing_and_where_the_raster_has_it(id: str) -> None:
    simulation = started(id)
    state, describer, board = simulation.state, Describer(simulation.state), {}
    for _ in range(12):
        for key, value in describer.changes().items():
            if value is None:
                board.pop(key)
            else:
                board[key] = value
        simulation.advance(simulation.expert_actions())
    for key, value in describer.changes().items():
        board[key] = value
    content = scene.new_scene(1, scene.capacity(state), len(state.signs.names))
    content = scene.fill(content, state, np.zeros(1, np.intp))
    n = int(content.size[0])
    names = names_of(state)
    assert len(names) == n
    ours, theirs = placed(board), content.center[0, :n]
    assert len(ours) == n
    # Whatever their order: every primitive has a part where it is.
    apart = np.linalg.norm(theirs[:, None] - ours[None], axis=-1)
    assert apart.min(1).max() < 5e-3
    simulation.close()


def test_colours_are_those_of_the_world_before_light_falls_on_them() -> None:
    simulation = started("ALS/Tag-v0")
    board = Describer(simulation.state).changes()
    wall = simulation.state.walls.color[0, 0].astype(int)
    shown = board["look.wall0"]["parts"][0]["colors"][0]
    found = np.array([int(shown[i : i + 2], 16) for i in (1, 3, 5)])
    assert np.abs(found - wall).max() <= 2
    shirt = "#{:02x}{:02x}{:02x}".format(*simulation.state.avatars.color[0, 0].tolist())
    assert board["look.avatar0"]["parts"][0]["colors"][0] == shirt
    simulation.close()


def test_a_world_that_stands_still_is_told_once() -> None:
    simulation = started("ALS/Build-v0")
    describer = Describer(simulation.state)
    assert describer.changes()
    assert describer.changes() == {}
    simulation.close()


def test_a_sign_that_is_written_on_is_told_again() -> None:
    simulation = started("ALS/Tutor-v0")
    describer = Describer(simulation.state)
    describer.changes()
    simulation.state.write(simulation.state.signs.names[0], 0, "<b>odd</b>")
    describer_says = describer.changes()
    assert describer_says.get("look.sign0", {}).get("text") == "<b>odd</b>"
    simulation.close()


def test_turns_are_those_of_the_matrices() -> None:
    rng = np.random.default_rng(0)
    q = rng.normal(size=(200, 4))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    axes = np.stack([apply(q, np.broadcast_to(axis, (200, 3))) for axis in np.eye(3)], -1)
    found = quaternions(axes)
    assert np.allclose(np.abs((found * q).sum(1)), 1.0)
    assert np.allclose(product(q, inverse(q))[:, 3], 1.0)

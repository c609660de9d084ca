"""Action masks: what a task rules out, and what a hand cannot do, in every view."""

from __future__ import annotations

import numpy as np
import pytest
from acme_worlds import BACKWARD, REACH
from gymnasium.vector import AutoresetMode

from als_engine import ScenarioSpec
from als_engine.bodies.avatar import HAND_PUT_DOWN
from als_engine.bodies.codec import DISCRETE_ACTIONS
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import NoMasksError
from als_engine.simulation import simulate

PUT_DOWN = DISCRETE_ACTIONS.index("put down")
PICK_UP = DISCRETE_ACTIONS.index("pick up")


ONWARD = ScenarioSpec("Test/Onward-v0", "acme_worlds:Onward", max_episode_steps=9, max_avatars=2)


def expected(mode, step):
    ways = [True, True, False, True, True, True, True]
    said = [True, step % 2 == 0]
    if mode == "discrete":
        return [*ways, True, False, True, *said]
    return [*ways, True, True, False, True, True, *said]


def flat(info):
    mask = info["action_mask"]
    return np.concatenate(mask if isinstance(mask, tuple) else [mask]).tolist()


@pytest.mark.parametrize(("mode", "workers"), [("discrete", 1), ("factored", 2)])
def test_every_view_shows_what_the_task_rules_out(mode, workers):
    single = SingleEnv(ONWARD, action_mode=mode)
    vector = VectorEnv(ONWARD, 2, workers, AutoresetMode.SAME_STEP, action_mode=mode)
    many = parallel_env(ONWARD, num_avatars=2, action_mode=mode)
    rows = sb3_vec_env(ONWARD, 2, num_avatars=2, action_mode=mode)
    stay = np.zeros(single.action_space.shape, np.int64)
    (_, info), (_, infos) = single.reset(seed=1), vector.reset(seed=1)
    told = many.reset(seed=1)[1]
    rows.reset()
    for step in range(12):
        right = expected(mode, step % 9)
        assert single.action_masks().tolist() == flat(info) == right
        assert [flat(about) for about in told.values()] == [right, right]
        for agent, about in told.items():
            space = many.action_space(agent)
            assert space.contains(space.sample(mask=about["action_mask"]))
        assert infos["action_mask"].tolist() == [right, right]
        assert infos["_action_mask"].all()
        assert vector.call("action_masks")[1].tolist() == right
        assert np.stack(rows.env_method("action_masks")).tolist() == [right] * 4
        _, _, _, ended, info = single.step(stay)
        _, _, _, _, told = many.step(dict.fromkeys(many.possible_agents, stay))
        *_, infos = vector.step(np.stack([stay] * 2))
        rows.step(np.stack([stay] * 4))
        assert ended == (not many.agents) == ((step + 1) % 9 == 0)
        if ended:
            assert infos["final_info"]["action_mask"].tolist() == [flat(info)] * 2
            assert infos["final_info"]["_action_mask"].all()
            info, told = single.reset()[1], many.reset()[1]
    for env in (single, vector, many, rows):
        env.close()


def test_a_full_hand_takes_nothing_and_an_empty_one_puts_nothing_down():
    simulation = simulate(REACH, 2, action_mode="discrete")
    simulation.reset([0, 1])
    assert not simulation.action_masks()[..., PUT_DOWN].any()
    assert simulation.action_masks()[..., PICK_UP].all()
    simulation.state.avatars.held[1, 0] = 1
    masks = simulation.action_masks()
    assert masks[:, 0, PUT_DOWN].tolist() == [False, True]
    assert masks[:, 0, PICK_UP].tolist() == [True, False]
    assert (masks.sum(axis=-1) == len(simulation.action_names) - 1).all()
    simulation.close()


def test_a_task_that_says_nothing_shows_no_masks_in_infos():
    env = SingleEnv(REACH)
    assert "action_mask" not in env.reset(seed=0)[1]
    assert env.action_masks().sum() == env.action_space.n - 1
    env.close()


def test_continuous_actions_have_none():
    rows = sb3_vec_env(ONWARD, action_mode="continuous")
    rows.reset()
    assert not rows.has_attr("action_masks")
    with pytest.raises(NoMasksError, match='use action_mode="discrete", "factored" or "guided"'):
        rows.action_masks()
    rows.close()
    env = SingleEnv(ONWARD, action_mode="continuous")
    assert "action_mask" not in env.reset(seed=0)[1]
    env.close()


@pytest.mark.parametrize("mode", ["discrete", "factored"])
def test_maskable_ppo_never_does_what_is_impossible(mode):
    ppo = pytest.importorskip("sb3_contrib").MaskablePPO
    rows = sb3_vec_env(ONWARD, 2, action_mode=mode)
    model = ppo("MultiInputPolicy", rows, n_steps=32, batch_size=32, n_epochs=1, seed=0)
    model.learn(64)
    taken = model.rollout_buffer.actions.reshape(-1, 1 if mode == "discrete" else 3)
    assert len(np.unique(taken[:, 0])) > 3
    assert not (taken[:, 0] == BACKWARD).any()
    if mode == "discrete":
        assert PUT_DOWN not in taken
    else:
        assert HAND_PUT_DOWN not in taken[:, 1]
    rows.close()

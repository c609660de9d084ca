"""What clients of Gymnasium, PettingZoo and Stable-Baselines3 do with any environment."""

from __future__ import annotations

import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from als_command import als
from gymnasium.spaces import flatten, flatten_space
from gymnasium.wrappers import FlattenObservation
from places import ROOT

from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import ActionError, ArgumentError, ResetNeededError
from als_engine.plugins.registration import aec_env
from als_engine.plugins.registry import registry
from als_engine.simulation import simulate

TAG = "ALS/Tag-v0"
SCENARIOS = [spec.id for spec in registry.scenarios() if spec.id.startswith("ALS/")]
every_scenario = pytest.mark.parametrize("id", SCENARIOS)
VIEWS = {"single": SingleEnv, "vector": VectorEnv, "parallel": parallel_env, "sb3": sb3_vec_env}
every_view = pytest.mark.parametrize("view", VIEWS)
# Every scenario in one view, and one scenario in every view.
everywhere = pytest.mark.parametrize(
    ("view", "id"), [("vector", each) for each in SCENARIOS] + [(view, TAG) for view in VIEWS]
)
SMALL = {"sensors": ["entities", "proprioception", "text"], "frame_size": 16}


@pytest.fixture
def make():
    made = []

    def make(view, id=TAG, **arguments):
        made.append(VIEWS[view](id, **{**SMALL, **arguments}))
        return made[-1]

    yield make
    for env in made:
        env.close()


def reset(env, seed=0):
    if hasattr(env, "set_options"):
        env.seed(seed)
        return env.reset(), env.reset_infos[0]
    return env.reset(seed=seed)


def step(env, view, action):
    """The same action for whoever acts."""
    if view == "single":
        return env.step(action)
    if view == "parallel":
        return env.step(dict.fromkeys(env.agents, action))
    return env.step(np.stack([action] * env.num_envs))


def space_of(env, view):
    if view == "vector":
        return env.single_observation_space
    return (
        env.observation_space(env.possible_agents[0])
        if view == "parallel"
        else (env.observation_space)
    )


# -- continuous actions --------------------------------------------------------------------------


@every_view
def test_actions_out_of_range_are_clipped_where_that_was_asked_for(make, view):
    wild = np.array([3.0, -2.0, np.inf, -1e9, 0.0, -7.0], np.float32)
    clipped = make(view, action_mode="continuous", clip_actions=True)
    plain = make(view, action_mode="continuous")
    reset(clipped), reset(plain)
    step(clipped, view, wild)
    step(plain, view, np.clip(wild, -1, 1))
    one, two = (
        (env.worlds.simulation if hasattr(env, "worlds") else env.simulation).state.digest(0)
        for env in (clipped, plain)
    )
    assert one == two
    with pytest.raises(ActionError, match=r"clip_actions=True clips it$"):
        step(plain, view, wild)
    for env in (clipped, plain):
        with pytest.raises(ActionError, match=r"nan.*\]$"):
            step(env, view, np.full(6, np.nan, np.float32))


def test_a_wrong_flag_is_refused():
    with pytest.raises(ArgumentError, match="clip_actions must be True or False, got 'yes'"):
        SingleEnv(TAG, clip_actions="yes")


# -- infos ---------------------------------------------------------------------------------------


@everywhere
def test_keys_of_infos_have_no_slash(make, view, id):
    """HDF5, and so Minari, would make nested groups of them."""
    env = make(view, id, max_episode_steps=2)
    infos = [reset(env)[1]]
    stay = np.int64(0)
    infos += [step(env, view, stay)[-1] for _ in range(2)]
    assert [key for key in _keys(infos) if "/" in key] == []
    if view != "sb3":
        names = simulate(id).reward_names
        terms = {f"reward_{name}" for name in names} if len(names) > 1 else set()
        assert terms <= set(_keys(infos))


def _keys(infos):
    for info in infos:
        if isinstance(info, dict):
            yield from map(str, info)
            yield from _keys(info.values())
        elif isinstance(info, list):
            yield from _keys(info)


# -- spaces --------------------------------------------------------------------------------------


@every_view
def test_a_space_that_a_client_changes_is_its_own(make, view):
    first, second = make(view), make(view)
    ours = first.worlds.simulation if hasattr(first, "worlds") else first.simulation
    space = space_of(first, view)
    space["proprioception"].low[:] = -77.0
    space.spaces.pop("text")
    assert space_of(second, view) == simulate(TAG, **SMALL).observation_space
    assert ours.observation_space == simulate(TAG, **SMALL).observation_space
    reset(first), step(first, view, np.int64(1))


@every_scenario
def test_arrays_have_the_types_of_their_spaces_and_flatten_to_float32(id):
    env = SingleEnv(id, frame_size=16)
    every = sorted({*env.observation_space.spaces, "semantic", "depth", "entities"})
    env.close()
    env = SingleEnv(id, frame_size=16, sensors=every)
    seen, _ = env.reset(seed=0)
    for key, array in seen.items():
        assert array.dtype == env.observation_space[key].dtype
        assert array.dtype in (np.float32, np.uint8, np.int16)
    assert flatten_space(env.observation_space).dtype == np.float32
    assert flatten(env.observation_space, seen).dtype == np.float32
    wrapped = FlattenObservation(env)
    again, _ = wrapped.reset(seed=0)
    assert again in wrapped.observation_space
    env.close()


# -- one flat vector -----------------------------------------------------------------------------


def observations(env, view, stepped):
    """The observations of avatar 0 of world 0."""
    seen = stepped[0]
    if view == "parallel":
        return seen[env.possible_agents[0]]
    if view == "single":
        return seen
    return {k: v[0] for k, v in seen.items()} if isinstance(seen, dict) else seen[0]


@everywhere
def test_a_flat_observation_holds_the_same_numbers_in_the_documented_order(make, view, id):
    sensors = ["rgb", "text", "entities", "touch", "audio"]
    named, flat = (make(view, id, sensors=sensors, flatten=on) for on in (False, True))
    simulation = flat.worlds.simulation if hasattr(flat, "worlds") else flat.simulation
    space = space_of(flat, view)
    assert isinstance(space, gym.spaces.Box)
    assert (space.dtype, len(space.shape)) == (np.float32, 1)
    layout = simulation.flat_layout
    assert list(layout) == sorted(sensors)
    for stepped in ((reset(named), reset(flat)), (step(named, view, 1), step(flat, view, 1))):
        one, two = (
            observations(env, view, s) for env, s in zip((named, flat), stepped, strict=True)
        )
        expected = np.concatenate([one[key].ravel().astype(np.float32) for key in sorted(one)])
        assert two.dtype == np.float32
        assert (two == expected).all()
        assert (two == flatten(space_of(named, view), one)).all()
        assert two in space
        for key, where in layout.items():
            assert (two[where] == one[key].ravel()).all()
    assert (space.low == flatten_space(space_of(named, view)).low).all()
    assert (space.high == flatten_space(space_of(named, view)).high).all()


def test_flat_observations_of_ended_episodes_and_of_workers(make):
    arguments = {
        "flatten": True,
        "max_episode_steps": 3,
        "num_envs": 2,
        "autoreset_mode": "SameStep",
    }
    one, many = make("vector", **arguments), make("vector", workers=2, **arguments)
    rows = make("sb3", num_worlds=2, observers=1, flatten=True, max_episode_steps=3)
    rows.seed(4)
    seen, (first, _), (second, _) = rows.reset(), one.reset(seed=4), many.reset(seed=4)
    assert first.shape == (2, *one.single_observation_space.shape) == one.observation_space.shape
    assert (seen == first).all()
    assert (second == first).all()
    for _ in range(3):
        actions = np.array([1, 5])
        first, *_, infos = one.step(actions)
        second, *_, other = many.step(actions)
        seen, _, _, row_infos = rows.step(actions)
        assert (first == second).all()
        assert (first == seen).all()
    for world in range(2):
        last = infos["final_obs"][world]
        assert last.shape == one.single_observation_space.shape
        assert (last == other["final_obs"][world]).all()
        assert (last == row_infos[world]["terminal_observation"]).all()


def test_flat_observations_need_a_sensor():
    with pytest.raises(ArgumentError, match="flatten needs a sensor"):
        SingleEnv(TAG, sensors=[], flatten=True)


@pytest.mark.parametrize("command", ["train", "evaluate", "collect"])
def test_our_own_agents_refuse_flat_observations_in_one_line(command, tmp_path):
    told = {
        "train": ["train", TAG, "--agent", "ppo", "--steps", "64", "--out", tmp_path / "run"],
        "evaluate": ["evaluate", "random", "--on", TAG, "--episodes", "2"],
        "collect": ["collect", TAG, "--policy", "random", "--out", tmp_path / "data"],
    }[command]
    result = als(*told, "--arg", "flatten=true")
    assert result.code
    assert "flatten is for clients that want a Box" in " ".join(result.err.split())


# -- the state of the world ----------------------------------------------------------------------


@every_scenario
def test_every_view_shows_the_same_state_of_the_world(make, id):
    small = {"num_avatars": simulate(id).num_avatars}
    single, vector = make("single", id, **small), make("vector", id, num_envs=2, **small)
    batches = [vector]
    if id == TAG:
        batches.append(make("vector", id, num_envs=2, workers=2, **small))
    rows = make("sb3", id, num_worlds=2, observers=1, **small)
    for env in (single, *batches):
        env.reset(seed=3)
    batches.append(rows)
    rows.seed(3)
    rows.reset()
    for _ in range(3):
        state = single.state()
        assert (state.dtype, state.shape) == (np.float32, single.state_space.shape)
        assert state in single.state_space
        for batch in batches:
            assert batch.state().shape == (2, *batch.state_space.shape)
            assert (batch.state()[0] == state).all()
        single.step(1)
        for batch in batches:
            batch.step(np.ones(2, np.int64))
    world, layout = single.simulation.state, single.simulation.state_layout
    state = single.state()
    assert (
        state[layout["avatars.position"]] == world.avatars.position[0].ravel().astype("f")
    ).all()
    assert state[layout["time_left"]] == np.float32(1 - 3 / world.max_episode_steps)
    for name, values in world.quantities.items():
        kept = np.clip(np.nan_to_num(values[0].astype(float)).ravel(), -1e6, 1e6).astype("f")
        assert (state[layout[f"task.{name}"]] == kept).all()
    ends = [where.stop for where in layout.values()]
    assert ends == sorted(ends)
    assert ends[-1] == len(state)


def test_before_the_first_reset_there_is_no_state(make):
    with pytest.raises(ResetNeededError, match="call reset\\(\\) before state\\(\\)"):
        make("single").state()


@pytest.mark.filterwarnings("ignore:Observation")  # PettingZoo would rather have one array.
def test_pettingzoo_s_test_of_states_passes(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.test.state_test import state_test
    state_test(aec_env(TAG, **SMALL), make("parallel"), num_cycles=5)


# -- what batches of environments offer ----------------------------------------------------------


def test_the_vector_environment_has_what_gymnasium_s_own_two_have(make):
    arguments = {**SMALL, "max_episode_steps": 9, "render_mode": "rgb_array"}
    ours = gym.make_vec(TAG, 2, **arguments)
    theirs = gym.make_vec(TAG, 2, vectorization_mode="sync", **arguments)
    for env in (ours, theirs):
        env.reset(seed=11)
    assert ours.autoreset_mode is theirs.autoreset_mode is ours.metadata["autoreset_mode"]
    assert ours.np_random_seed == theirs.np_random_seed == (11, 12)
    for one, two in zip(ours.np_random, theirs.np_random, strict=True):
        assert one.random() == two.random()
    assert [s.max_episode_steps for s in ours.get_attr("spec")] == [9, 9]
    assert ours.get_attr("spec")[0].kwargs == theirs.get_attr("spec")[0].kwargs
    for name in ("render_mode", "observation_space", "action_space", "np_random_seed"):
        assert ours.get_attr(name) == theirs.get_attr(name)
    assert ours.call("expert_action") == theirs.call("expert_action")
    for name in ("render", "state"):
        for one, two in zip(ours.call(name), theirs.call(name), strict=True):
            assert (one == two).all()
    for env in (ours, theirs):
        env.set_attr("difficulty", [1, 2])
        assert env.get_attr("difficulty") == (1, 2)
        env.set_attr("difficulty", 5)
        assert env.get_attr("difficulty") == (5, 5)
        with pytest.raises(ValueError, match="3"):
            env.set_attr("difficulty", [1, 2, 3])
        with pytest.raises(AttributeError):
            env.call("no_such_thing")
    with pytest.raises(AttributeError, match="call reset\\(\\) of the whole batch"):
        ours.call("reset")
    with pytest.raises(ArgumentError, match="'render_mode' cannot be set"):
        ours.set_attr("render_mode", "human")
    ours.close(), theirs.close()


def test_the_parallel_environment_has_what_wrappers_ask(make):
    env, again = make("parallel"), make("parallel")
    assert env.max_num_agents == 2
    env.reset(seed=5), again.reset(seed=5)
    assert env.np_random_seed == 5
    assert env.np_random.random() == again.np_random.random()
    env.np_random.random(), env.reset(), again.reset()
    state = env.simulation.state
    assert state.digest(0) == again.simulation.state.digest(0)


def test_sb3_s_options_are_honoured_once_and_told_in_reset_infos(make):
    env = make("sb3", num_worlds=2)
    assert env.num_envs == 4
    env.seed(1)
    env.set_options({"level": 7})
    env.reset()
    assert [info["level"] for info in env.reset_infos] == [7] * 4
    env.reset()
    drawn = [info["level"] for info in env.reset_infos]
    assert drawn[:1] * 2 == drawn[:2]
    assert drawn != [7] * 4
    env.set_options([{"level": 7}, {"level": 7}, {"level": 12_001}, {"level": 12_001}])
    env.reset()
    assert [info["level"] for info in env.reset_infos] == [7, 7, 12_001, 12_001]
    assert env.worlds.metrics["level"].tolist() == [7, 12_001]
    env.set_options([{"level": 7}, {}, {}, {}])
    with pytest.raises(ArgumentError, match="rows 0 and 1 are avatars of one world"):
        env.reset()


def test_sb3_s_seeds_hold_whatever_the_options_are(make):
    plain, mixed = make("sb3", num_worlds=2, observers=1), make("sb3", num_worlds=2, observers=1)
    for env in (plain, mixed):
        env.seed(6)
    mixed.set_options([{"level": 7}, {}])
    plain.reset(), mixed.reset()
    assert mixed.reset_infos[1] == plain.reset_infos[1]
    one, two = (env.worlds.simulation.state for env in (plain, mixed))
    assert one.digest(1) == two.digest(1)


def test_sb3_s_reset_infos_are_those_of_the_episode_that_runs(make):
    env = make("sb3", max_episode_steps=2, observers=1)
    env.reset()
    first = env.reset_infos[0]["level"]
    for _ in range(2):
        *_, infos = env.step(np.zeros(1, np.int64))
    assert infos[0]["level"] == first
    assert env.reset_infos[0]["level"] == env.worlds.metrics["level"][0] != first
    assert env.reset_infos[0]["steps" if "steps" in env.reset_infos[0] else "success"] == 0


def test_sb3_s_rows_have_attributes(make):
    env = make("sb3", num_worlds=2, max_episode_steps=9)
    env.seed(3)
    env.reset()
    assert env.get_attr("render_mode") == [None] * 4
    assert env.get_attr("spec", [1])[0].max_episode_steps == 9
    assert env.get_attr("np_random_seed") == [3, 3, 4, 4]
    assert env.env_method("expert_action") == env.expert_actions().tolist()
    env.set_attr("tag", "x", indices=[0, 2])
    with pytest.raises(AttributeError):
        env.get_attr("tag")
    env.set_attr("tag", "y", indices=[1, 3])
    assert env.get_attr("tag") == ["x", "y", "x", "y"]
    assert env.get_attr("tag", 2) == ["x"]
    assert not env.has_attr("action_mask")


# -- the page about clients ----------------------------------------------------------------------


def test_the_snippets_for_clients_run():
    page = ROOT / "docs" / "clients.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 4

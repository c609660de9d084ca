"""A user's mistake is one clear line that names the thing, in every view."""

from __future__ import annotations

import math
import re

import gymnasium as gym
import numpy as np
import pytest
from acme_worlds import FAULTY, REACH, level_of

import als_engine
from als_engine.envs.parallel import parallel_env
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.errors import (
    ActionError,
    ALSError,
    ArgumentError,
    LayoutError,
    PhysicsError,
    ResetNeededError,
    UnknownIdError,
)
from als_engine.simulation import simulate

TAG = "ALS/Tag-v0"
VIEWS = ["single", "vector", "parallel", "sb3"]


class View:
    """Any of the four views, of one world with one avatar, driven in the same way."""

    def __init__(self, kind, spec=REACH, **arguments):
        self.kind = kind
        make = {"single": SingleEnv, "vector": VectorEnv, "parallel": parallel_env,
                "sb3": sb3_vec_env}[kind]  # fmt: skip
        self.env = make(spec, **arguments)

    def reset(self, seed=0):
        if self.kind == "sb3":
            self.env.seed(seed)
            self.env.reset()
        else:
            self.env.reset(seed=seed)

    def step(self, action):
        """One avatar's action, wrapped as the view wants it and otherwise left alone."""
        if self.kind == "single":
            self.env.step(action)
        elif self.kind == "parallel":
            self.env.step({"avatar_0": action})
        else:
            self.env.step([action] if not isinstance(action, np.ndarray) else action[None])

    def close(self):
        self.env.close()


@pytest.fixture(params=VIEWS)
def view(request):
    made = []

    def make(spec=REACH, **arguments):
        made.append(View(request.param, spec, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def one_line(error):
    assert isinstance(error.value, ALSError)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("action", [-1, 12, 10**12])
def test_a_discrete_action_that_is_out_of_range(view, action):
    env = view()
    env.reset()
    with pytest.raises(ActionError) as error:
        env.step(np.int64(action))
    assert one_line(error) == (f"action of world 0, avatar 0 is not in Discrete(12): {action}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, -1e300])
def test_a_continuous_action_that_is_not_in_the_space(view, value):
    env = view(action_mode="continuous")
    env.reset()
    action = np.zeros(6)
    action[2] = value
    with pytest.raises(ActionError, match=r"^action of world 0, avatar 0 is not in Box\(-1.0, 1."):
        env.step(action)


@pytest.mark.parametrize("action", [np.zeros(2, np.int64), np.zeros((1, 1), np.int64), [0, 1]])
def test_a_discrete_action_of_a_wrong_shape(view, action):
    env = view()
    env.reset()
    with pytest.raises(ActionError, match="shape") as error:
        env.step(action)
    one_line(error)


@pytest.mark.parametrize("action", [np.zeros(5, np.float32), np.zeros((6, 6)), 0.0])
def test_a_continuous_action_of_a_wrong_shape(view, action):
    env = view(action_mode="continuous")
    env.reset()
    with pytest.raises(ActionError, match="shape") as error:
        env.step(action)
    one_line(error)


@pytest.mark.parametrize("action", [1.0, "forward", None, True], ids=repr)
def test_a_discrete_action_of_a_wrong_type(view, action):
    env = view()
    env.reset()
    with pytest.raises(ActionError, match="discrete actions must be integers, got dtype") as error:
        env.step(action)
    one_line(error)


def test_actions_that_are_no_array(view):
    env = view(action_mode="continuous")
    env.reset()
    with pytest.raises(ActionError) as error:
        env.step([0, [1, 2], 0, 0, 0, 0])
    one_line(error)


def test_a_step_before_the_first_reset(view):
    with pytest.raises(ResetNeededError, match=r"reset\(\)") as error:
        view().step(np.int64(0))
    one_line(error)


def test_a_step_or_a_reset_after_the_end_of_everything(view):
    env = view()
    env.reset()
    env.close()
    env.close()
    for act in (lambda: env.step(np.int64(0)), env.reset):
        with pytest.raises(ResetNeededError, match=r"closed; make a new one") as error:
            act()
        one_line(error)


@pytest.mark.parametrize("kind", ["single", "parallel"])
def test_a_step_after_the_end_of_the_episode(kind):
    env = View(kind, max_episode_steps=1)
    env.reset()
    env.step(np.int64(0))
    with pytest.raises(ResetNeededError, match=r"has ended: call reset\(\)"):
        env.step(np.int64(0))
    env.close()


def test_gymnasium_s_own_wrapper_says_so_too():
    env = gym.make(TAG, sensors=["touch"])
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.step(0)
    env.close()


def test_a_picture_before_the_first_reset():
    for make in (SingleEnv, parallel_env, lambda *a, **k: VectorEnv(*a, 1, **k)):
        env = make(REACH, render_mode="rgb_array")
        with pytest.raises(ResetNeededError, match=r"call reset\(\) before render\(\)"):
            env.render()
        env.close()


def test_an_agent_without_an_action_and_an_action_without_an_agent():
    env = parallel_env(REACH, num_avatars=2)
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"^no action for avatar_1$"):
        env.step({"avatar_0": 0})
    with pytest.raises(ActionError, match=r'unknown agent "avatar_2"; did you mean "avatar_1"'):
        env.step({"avatar_0": 0, "avatar_1": 0, "avatar_2": 0})
    with pytest.raises(
        ActionError, match=r"the action of avatar_1 has shape \(2,\), expected \(\)"
    ):
        env.step({"avatar_0": 0, "avatar_1": [0, 1]})
    env.close()


def test_a_wrong_action_names_its_world_and_avatar():
    rows = sb3_vec_env(REACH, 3, num_avatars=2)
    rows.reset()
    with pytest.raises(ActionError, match=r"^action of world 1, avatar 1 is not in .*: 77$"):
        rows.step(np.array([0, 0, 0, 77, 0, 99]))
    with pytest.raises(ActionError, match=r"actions have shape \(5,\), expected 6 rows"):
        rows.step(np.zeros(5, np.int64))
    rows.close()


# -- ids and arguments ------------------------------------------------------------------------

MAKERS = [
    lambda name, **given: gym.make(name, **given),
    lambda name, **given: gym.make_vec(name, 2, **given),
    als_engine.parallel_env,
    lambda name, **given: als_engine.sb3_vec_env(name, 2, **given),
    simulate,
]
every_maker = pytest.mark.parametrize("make", MAKERS, ids=["make", "make_vec", *VIEWS[2:], "sim"])


@pytest.mark.parametrize("make", MAKERS[2:], ids=[*VIEWS[2:], "sim"])
@pytest.mark.parametrize(
    ("id", "meant"), [("ALS/Tga-v0", TAG), ("als/tag-v0", TAG), ("ALS/Clasroom-v0", "ALS/Class")]
)
def test_an_unknown_id(make, id, meant):
    with pytest.raises(UnknownIdError, match=f'^unknown scenario "{id}"; did you mean "{meant}'):
        make(id)


def test_an_unknown_id_of_gymnasium_s_is_gymnasium_s_error():
    with pytest.raises(
        gym.error.Error, match=r"`Tga` doesn't exist in namespace ALS. Did you mean: `Tag`"
    ):
        gym.make("ALS/Tga-v0")


@every_maker
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"num_avatar": 3},
            "ALS/Tag-v0 got an unexpected keyword argument 'num_avatar'; "
            'did you mean "num_avatars"?',
        ),
        ({"num_avatars": 9}, "ALS/Tag-v0: num_avatars must be a whole number from 2 to 8, got 9"),
        (
            {"num_avatars": "two"},
            "ALS/Tag-v0: num_avatars must be a whole number from 2 to 8, got 'two'",
        ),
        ({"sensors": ["rbg"]}, 'unknown sensor "rbg"; did you mean "rgb"'),
        ({"sensors": "rgb"}, 'sensors must be a list of names, such as ["rgb"]'),
        ({"frame_size": 4}, "frame_size must be one or two whole numbers of 8 to 1024 pixels"),
        ({"frame_size": "big"}, "frame_size must be one or two whole numbers of 8 to 1024 pixels"),
        ({"frame_size": 64.0}, "frame_size must be one or two whole numbers of 8 to 1024 pixels"),
        ({"action_mode": "discret"}, 'unknown action_mode "discret"; did you mean "discrete"'),
        ({"split": "tset"}, 'unknown split "tset"; did you mean "test"'),
        ({"level": 30_000}, "level must be a whole number from 0 to 29999, got 30000"),
        ({"level": -1}, "level must be a whole number from 0 to 29999, got -1"),
        ({"level": 1.5}, "level must be a whole number from 0 to 29999, got 1.5"),
        ({"background": "fle"}, 'unknown background "fle"; did you mean "flee"'),
        ({"background": {"evadr": "flee"}}, 'unknown role "evadr"; did you mean "evader"'),
        ({"background": 3}, "background must be a name, or a name for each role, got 3"),
    ],
)
def test_a_wrong_argument(make, given, message):
    with pytest.raises(ArgumentError) as error:
        make(TAG, **given)
    assert message in one_line(error)


@every_maker
@pytest.mark.parametrize("name", ["frameskip", "num_worlds", "first_world", "task", "scenarios"])
def test_an_unknown_keyword_is_python_s_type_error_as_well(make, name):
    """TorchRL tries `frameskip` out, and goes on when the `TypeError` says just this."""
    if name in ("num_worlds", "first_world") and make in (simulate, *MAKERS[3:4]):
        return  # These take it.
    with pytest.raises(TypeError, match=f"got an unexpected keyword argument '{name}'") as error:
        make(TAG, **{name: 4})
    assert isinstance(error.value, ArgumentError)
    one_line(error)


def test_a_view_s_own_arguments_are_suggested_as_well():
    with pytest.raises(TypeError, match="keyword argument 'worker'; did you mean \"workers\""):
        gym.make_vec(TAG, 2, worker=2)


@pytest.mark.parametrize("make", MAKERS[1:], ids=["make_vec", *VIEWS[2:], "sim"])
@pytest.mark.parametrize("limit", [0, -5, 2.5, "ten"])
def test_a_wrong_time_limit(make, limit):
    with pytest.raises(ArgumentError, match="max_episode_steps must be a whole number of at least"):
        make(TAG, max_episode_steps=limit)


@pytest.mark.parametrize("make", MAKERS[:4], ids=["make", "make_vec", *VIEWS[2:]])
def test_a_wrong_render_mode(make):
    if make is MAKERS[0]:
        make = SingleEnv  # Gymnasium itself warns of it before.
    with pytest.raises(ArgumentError, match='unknown render_mode "rgb"; allowed: human, rgb_array'):
        make(TAG, render_mode="rgb") if make is not MAKERS[1] else VectorEnv(TAG, render_mode="rgb")


@pytest.mark.parametrize("worlds", [0, -1, 1.5, "two"])
def test_a_wrong_number_of_worlds(worlds):
    for make in (VectorEnv, sb3_vec_env):
        with pytest.raises(ArgumentError, match="whole number of at least 1"):
            make(TAG, worlds)
        with pytest.raises(ArgumentError, match="whole number of at least 1"):
            make(TAG, worlds, workers=2)


def test_a_wrong_autoreset_mode():
    with pytest.raises(ArgumentError, match='unknown autoreset_mode "SameStpe"; did you mean'):
        VectorEnv(TAG, 1, autoreset_mode="SameStpe")


def test_a_wrong_level_or_seed_of_a_reset():
    env = SingleEnv(REACH)
    with pytest.raises(
        ArgumentError, match="level must be a whole number from 0 to 29999, got 'x'"
    ):
        env.reset(options={"level": "x"})
    vector = VectorEnv(REACH, 3)
    with pytest.raises(ArgumentError, match="2 seeds for 3 environments"):
        vector.reset(seed=[1, 2])
    env.close()
    vector.close()


# -- worlds that cannot be --------------------------------------------------------------------


def test_an_impossible_layout_names_scenario_level_and_thing(view):
    env = view(FAULTY, faults={"layout": level_of(4)})
    with pytest.raises(LayoutError) as error:
        env.reset(seed=4)
    assert one_line(error) == (f"Acme/Faulty-v0, level {level_of(4)}: spawn 0 is inside wall 4")
    with pytest.raises(ResetNeededError):
        env.step(np.int64(0))
    env.reset(seed=5)
    env.step(np.int64(0))


def test_broken_physics_is_an_error_and_never_a_reward(view):
    env = view(FAULTY, faults={"physics": level_of(4)})
    env.reset(seed=4)
    for _ in range(3):
        env.step(np.int64(0))
    with pytest.raises(PhysicsError) as error:
        env.step(np.int64(0))
    assert re.match(rf"the physics of world 0 \(level {level_of(4)}, step 3\)", one_line(error))
    with pytest.raises(ResetNeededError):
        env.step(np.int64(0))
    env.reset(seed=5)
    env.step(np.int64(0))

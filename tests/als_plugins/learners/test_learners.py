"""Every learner trains, comes back from its folder, and says what it does not take."""

from __future__ import annotations

import math
import re
import shutil

import numpy as np
import pytest
import torch
from learn_worlds import ID, learn

from als_engine import sb3_vec_env
from als_engine.agents.agent import Training
from als_engine.agents.saving import load_agent, make_agent, open_agent
from als_engine.agents.training import read_job, resume_training, train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_engine.plugins.registry import registry
from als_engine.sensors import SENSORS
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.learners.hyperparameters import DQNParameters, PPOParameters
from als_plugins.learners.row_wise import CHUNK
from als_plugins.learners.training_state import read_training_state

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

# Tables, evolution, world models and policies that adapt have tests of their own.
OTHERS = (
    "als_plugins.learners.tabular:",
    "als_plugins.evolution.",
    "als_plugins.world_models.",
    "als_plugins.meta.maml:",
)
LEARNERS = [
    spec.id for spec in registry.agents() if spec.trainable and not spec.agent.startswith(OTHERS)
]
SENSED = {"sensors": ["proprioception"]}
SMALL = {"net_arch": [16], "batch_size": 32}
ON_POLICY = ("mappo", "rl2", "ppo", "maskable-ppo", "recurrent-ppo", "multi-objective")
TINY = {"width": 8, "depth": 1, "heads": 2, "features": 8}
QUICK = {
    name: {**SMALL, "rollout": 128, "n_epochs": 2}
    if name in ON_POLICY
    else {**SMALL, "learning_starts": 64}
    for name in LEARNERS
}
QUICK["attention-ddpg"]["encoder_config"] = TINY


def trained(name="ppo", steps=256, folder=None, **changes):
    """A short training."""
    job = {"worlds": 4, "arguments": SENSED, "config": QUICK[name], "device": "cpu", **changes}
    return train_agent(ID, name, steps=steps, folder=folder, **job)


def weights(agent):
    return {name: tensor.numpy().copy() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def seen(agent, rows, seed=0):
    rng = np.random.default_rng(seed)
    return {
        key: rng.uniform(space.low, space.high, (rows, *space.shape)).astype(space.dtype)
        for key, space in agent.observation_space.spaces.items()
    }


# Each of them


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_learns_something_and_comes_back_from_its_folder(name, tmp_path):
    begun = make_agent(name, ID, {**SENSED, "action_mode": modes(name)[0]}, QUICK[name])
    torch.manual_seed(0)
    first = weights(begun)
    done = trained(name, folder=tmp_path / "run")
    assert done.progress.steps >= 256
    assert done.progress.episodes >= 4
    assert math.isfinite(done.progress.mean_return)
    assert 0.0 <= done.progress.success <= 1.0
    last = weights(done.agent)
    assert not same(first, last)
    assert all(np.isfinite(array).all() for array in last.values())
    loaded, record = load_agent(tmp_path / "run")
    assert same(weights(loaded), last)
    observation = seen(loaded, 5)
    assert np.array_equal(loaded.act(observation)[0], done.agent.act(observation)[0])
    assert record.training.steps == done.progress.steps
    assert record.arguments["action_mode"] == modes(name)[0]


def modes(name):
    return registry.agent(name).action_modes


@pytest.mark.parametrize("name", [name for name in LEARNERS if len(modes(name)) == 1])
def test_a_learner_says_which_actions_it_takes(name):
    wanted = modes(name)[0]
    other = {"discrete": "continuous", "continuous": "discrete"}[wanted]
    with pytest.raises(ArgumentError, match=f'{name} .*use action_mode="{wanted}"'):
        make_agent(name, ID, {**SENSED, "action_mode": other})
    with pytest.raises(ArgumentError, match=f'{name} needs action_mode="{wanted}"'):
        trained(name, arguments={**SENSED, "action_mode": other})


@pytest.mark.parametrize("name", LEARNERS)
def test_an_unknown_hyperparameter_is_named_with_the_nearest_one(name):
    with pytest.raises(ArgumentError, match=f'of {name} "lerning_rate"; did you mean "learning_'):
        trained(name, config={"lerning_rate": 1e-3})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"learning_rate": "fast"}, "learning_rate.*valid number.*'fast'"),
        ({"learning_rate": -1.0}, "learning_rate.*greater than 0"),
        ({"gamma": math.nan}, "gamma.*got nan"),
        ({"net_arch": [10**9]}, "net_arch.*less than or equal to 2048"),
        ({"n_steps": 1}, "n_steps.*got 1"),
    ],
)
def test_a_wrong_hyperparameter_is_one_line(given, words):
    with pytest.raises(ArgumentError, match=words) as error:
        trained(config=given)
    assert "\n" not in str(error.value)


# Learning


@pytest.mark.parametrize("name", ["ppo", "maskable-ppo"])
def test_ppo_learns_to_reach_the_flag(name):
    config = {"rollout": 256, "batch_size": 64, "net_arch": [32], "learning_rate": 4e-3}
    arguments = {**SENSED, "shaped": True}
    done = trained(name, steps=2_560, worlds=16, arguments=arguments, config=config)
    found = evaluate(done.agent, ID, 40, arguments=arguments)
    random = evaluate(make_agent("random", ID, arguments), ID, 40, arguments=arguments)
    assert found.success.low > 0.8
    assert found.mean_return.low > random.mean_return.high


def test_the_same_seed_trains_the_same_weights():
    assert same(weights(trained(seed=3).agent), weights(trained(seed=3).agent))
    assert not same(weights(trained(seed=3).agent), weights(trained(seed=4).agent))


def test_all_avatars_can_learn_as_rows():
    done = trained(observers=2, arguments={**SENSED, "num_avatars": 2})
    assert done.record.observers == 2
    assert done.progress.steps % 8 == 0


def test_the_scale_of_rewards_does_not_reach_the_reports():
    plain = trained(config={**QUICK["ppo"], "reward_scale": 1.0})
    scaled = trained(config={**QUICK["ppo"], "reward_scale": 100.0})
    assert plain.progress.mean_return > -0.6
    assert scaled.progress.mean_return > -0.6


def test_no_threads_are_taken_away_from_others():
    before = torch.get_num_threads()
    agent = trained().agent
    agent.act(seen(agent, 3))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("rows", [1, 3, 7, 16, 48, 100])
@pytest.mark.parametrize("batch_size", [64, 256])
def test_ppo_fills_its_batches_whatever_the_number_of_rows(rows, batch_size):
    parameters = PPOParameters(batch_size=batch_size)
    total = parameters.steps_for(rows) * rows
    assert total % batch_size == 0
    assert total >= batch_size


def test_a_replay_buffer_fits_into_memory():
    picture = 2 * 64 * 64 * 3
    assert DQNParameters().buffer_for(picture) * picture <= 1 << 30
    assert DQNParameters(buffer_size=500).buffer_for(picture) == 500


def test_a_device_that_is_not_there_is_one_line():
    with pytest.raises(ArgumentError, match='no device "cuda:63"'):
        trained(device="cuda:63")
    with pytest.raises(ArgumentError, match='no device "abacus"'):
        trained(device="abacus")


# Acting


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("ppo", "discrete"),
        ("ppo", "continuous"),
        ("ppo", "factored"),
        ("maskable-ppo", "factored"),
        ("recurrent-ppo", "continuous"),
    ],
)
@pytest.mark.parametrize("layers", [[64, 64], [11, 3]])
def test_a_row_is_the_same_to_the_last_bit_whatever_the_others_are(name, mode, layers):
    arguments = {"action_mode": mode, "sensors": ["proprioception", "touch"]}
    agent = make_agent(name, ID, arguments, {"net_arch": layers})
    rows = 2 * CHUNK + 5
    first, second = seen(agent, rows, 1), seen(agent, rows, 2)
    action, state = agent.act(first)
    after, _ = agent.act(second, state)
    for low, high in [(0, 1), (3, 10), (CHUNK, rows)]:
        action_there, state_there = agent.act({k: a[low:high] for k, a in first.items()})
        after_there, _ = agent.act({k: a[low:high] for k, a in second.items()}, state_there)
        assert np.array_equal(action_there, action[low:high])
        assert np.array_equal(after_there, after[low:high])


def test_a_recurrent_agent_forgets_where_an_episode_begins():
    agent = make_agent("recurrent-ppo", ID, {**SENSED, "action_mode": "continuous"})
    observation = seen(agent, 4)
    fresh, state = agent.act(observation)
    _, state = agent.act(observation, state)
    begins = np.array([True, False, True, False])
    action, _ = agent.act(observation, agent.restart(state, begins))
    assert np.array_equal(action[begins], fresh[begins])
    assert not np.array_equal(action[~begins], fresh[~begins])


# Observations


@pytest.mark.parametrize("frame", [8, 16, 64, (9, 120)])
def test_pictures_of_any_size_are_taken(frame):
    arguments = {"sensors": ["rgb", "depth", "semantic"], "frame_size": frame}
    agent = make_agent("ppo", ID, arguments, {"net_arch": [8]})
    observation = seen(agent, 2)
    action, _ = agent.act(observation)
    assert action.shape == (2,)


def test_a_learner_trains_on_every_sensor_at_once():
    arguments = {"sensors": list(SENSORS), "frame_size": 12}
    done = trained(steps=64, arguments=arguments, config={**QUICK["ppo"], "rollout": 32})
    assert set(done.record.arguments["sensors"]) == set(SENSORS)
    assert all(np.isfinite(array).all() for array in weights(done.agent).values())


def test_a_learner_needs_something_to_see():
    with pytest.raises(ArgumentError, match="at least one sensor"):
        make_agent("ppo", ID, {"sensors": []})


# Going on


@pytest.mark.parametrize(
    "name", ["ppo", "maskable-ppo", "recurrent-ppo", "dqn", "sac", "td3", "attention-ddpg"]
)
def test_a_training_goes_on_from_where_it_was(name, tmp_path):
    run = tmp_path / "run"
    first = trained(name, steps=192, folder=run, checkpoint_every=64)
    checkpoints = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert len(checkpoints) == 2
    assert int(checkpoints[-1]) == first.progress.steps

    model, newest = first.agent._model, run / "checkpoints" / checkpoints[-1]
    other = make_agent(name, ID, first.record.arguments, QUICK[name])
    env = sb3_vec_env(ID, 4, observers=1, **first.record.arguments)
    built = other._build(env, Training(steps=1, device="cpu"))
    read_training_state(built, newest)
    env.close()
    assert built.num_timesteps == model.num_timesteps
    assert built._n_updates == model._n_updates
    for attribute in model._get_torch_save_params()[0]:
        if attribute.endswith("optimizer"):
            assert_same_optimizer(attribute, built, model)
    for attribute in model._get_torch_save_params()[1]:
        assert torch.equal(getattr(built, attribute), getattr(model, attribute))

    second = resume_training(run, steps=320)
    assert second.progress.steps >= 320
    assert not same(weights(second.agent), weights(first.agent))
    assert second.record.training.seconds >= first.record.training.seconds
    assert load_agent(run)[1].training.steps == second.progress.steps
    assert read_job(run).steps == 320


def assert_same_optimizer(attribute, one, other):
    for part in attribute.split("."):
        one, other = getattr(one, part), getattr(other, part)
    one, other = one.state_dict()["state"], other.state_dict()["state"]
    assert one.keys() == other.keys()
    assert one
    for index, fields in one.items():
        assert all(torch.equal(value, other[index][field]) for field, value in fields.items())


def test_what_a_training_leaves_behind(tmp_path):
    trained(folder=tmp_path / "run", steps=512)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "agent", "checkpoints", "progress.csv", "tensorboard", "training.json",
    ]  # fmt: skip
    assert any((tmp_path / "run" / "tensorboard").iterdir())
    lines = (tmp_path / "run" / "progress.csv").read_text().splitlines()
    assert lines[0] == "steps,seconds,episodes,mean_return,success"
    assert lines[-1].startswith("512,")


HOSTILE = {
    "a moment that is one number": {"policy.optimizer/0/exp_avg": np.zeros((), np.float32)},
    "squares below 0": {"policy.optimizer/0/exp_avg_sq": -1.0},
    "a step without end": {"policy.optimizer/0/step": np.array(1e30, np.float32)},
    "a counter below 0": {"counter/num_timesteps": np.array(-1)},
    "a counter beyond all steps": {"counter/_n_updates": np.array(1 << 60)},
    "a counter for everyone": {"counter/_n_updates": np.zeros(8, np.int64)},
    "random numbers of another type": {"random/torch": np.zeros(5_056)},
    "a position outside": {"random/numpy": np.full(625, 700, np.uint32)},
    "a tensor of nobody's": {"tensor/log_ent_coef": np.zeros(1, np.float32)},
}


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpointed") / "run"
    trained(folder=folder)
    return folder


@pytest.mark.parametrize("change", HOSTILE.values(), ids=list(HOSTILE))
def test_a_checkpoint_that_no_training_leaves_behind_is_one_line(checkpointed, tmp_path, change):
    run = shutil.copytree(checkpointed, tmp_path / "run")
    path = next((run / "checkpoints").iterdir()) / "training.safetensors"
    arrays = read_tensors(path)
    for name, value in change.items():
        arrays[name] = np.full_like(arrays[name], value) if isinstance(value, float) else value
    write_tensors(path, arrays)
    with pytest.raises(SavedFileError, match=re.escape(str(path))) as caught:
        resume_training(run, steps=1_000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["training.safetensors", "weights.safetensors", "agent.json"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    trained(folder=tmp_path / "run")
    path = next((tmp_path / "run" / "checkpoints").iterdir()) / damage
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SavedFileError, match=damage):
        resume_training(tmp_path / "run", steps=1_000)


@pytest.mark.parametrize(
    "config",
    [{"augment": "shift"}, {"encoder": "graph-attention"}, {"encoder_config": {"deep": 3}}],
)
def test_what_cannot_be_trained_leaves_no_folder_behind(config, tmp_path):
    with pytest.raises(ArgumentError):
        trained(folder=tmp_path / "run", config={**QUICK["ppo"], **config})
    assert not (tmp_path / "run").exists()


def test_an_agent_is_evaluated_where_some_of_its_sensors_are_missing(tmp_path):
    both = {"sensors": ["proprioception", "touch"]}
    trained(folder=tmp_path / "run", arguments=both)
    opened = open_agent(str(tmp_path / "run"), arguments=SENSED, fewer_sensors=True)
    found = evaluate(opened.agent, ID, 4, arguments=opened.arguments)
    assert np.isfinite(found.mean_return.value)
    with pytest.raises(ArgumentError, match=r'other observations than Learn/Reach-v0: .*"touch"'):
        open_agent(str(tmp_path / "run"), arguments=SENSED)
    with pytest.raises(ArgumentError, match='it has never seen "depth", but proprioception, touch'):
        open_agent(str(tmp_path / "run"), arguments={"sensors": ["depth"]}, fewer_sensors=True)


def test_a_finished_training_says_so(tmp_path):
    trained(folder=tmp_path / "run")
    with pytest.raises(ArgumentError, match="256 steps, as far as it was to go"):
        resume_training(tmp_path / "run")


def test_a_training_is_never_begun_over_another(tmp_path):
    trained(folder=tmp_path / "run")
    before = (tmp_path / "run" / "agent" / "weights.safetensors").read_bytes()
    with pytest.raises(SavedFileError, match=r"holds a training.*--resume"):
        trained(folder=tmp_path / "run", seed=9)
    assert (tmp_path / "run" / "agent" / "weights.safetensors").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(SavedFileError, match="holds other files"):
        trained(folder=tmp_path / "mine")


def test_a_trained_agent_can_be_opened_from_its_run(tmp_path):
    trained(folder=tmp_path / "run", arguments={**SENSED, "reach": 0.4})
    opened = open_agent(str(tmp_path / "run"))
    assert opened.arguments == {**SENSED, "reach": 0.4, "action_mode": "discrete"}

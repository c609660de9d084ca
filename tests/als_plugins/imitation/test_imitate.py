"""Imitation: whoever demonstrates, the agent does the same; it is taken up again, and refuses."""

from __future__ import annotations

import shutil
import warnings

import gymnasium
import minari
import numpy as np
import pytest
import torch
from learn_worlds import ID, NO_EXPERT, TRADE, learn
from minari.data_collector import EpisodeBuffer

from als_engine import Rows
from als_engine.agents.saving import load_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_plugins.experience.collect import collect
from als_plugins.imitation.imitate import imitate, resume_imitation
from als_plugins.imitation.minari_folder import minari_folder

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSORS = ["proprioception", "entities"]
SMALL = {"net_arch": [32], "passes": 16, "imitation_rate": 3e-3}
JOB = {"worlds": 8, "config": SMALL, "device": "cpu"}


def taught(source="expert", method=None, agent="mappo", steps=1_024, mode="discrete", **changes):
    arguments = {"sensors": SENSORS, "action_mode": mode}
    return imitate(ID, source, method, agent, **{
        "steps": steps, "arguments": arguments, **JOB, **changes
    })  # fmt: skip


def succeeds(agent, mode="discrete"):
    arguments = {"sensors": SENSORS, "action_mode": mode}
    return evaluate(agent, ID, 20, arguments=arguments).metrics["success"].mean()


def weights(agent):
    return {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def teacher(learn, tmp_path_factory):
    """A folder with an agent that knows the way."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    taught(folder=folder)
    return folder


@pytest.fixture(scope="module")
def dataset(learn, tmp_path_factory):
    """What the expert did in 60 episodes."""
    folder = tmp_path_factory.mktemp("experience") / "data"
    arguments = {"sensors": SENSORS, "action_mode": "discrete"}
    collect(ID, folder, policy="expert", episodes=60, arguments=arguments)
    return folder


@pytest.mark.parametrize(
    ("agent", "method", "mode"),
    [
        ("mappo", "dagger", "discrete"),
        ("mappo", "bc", "continuous"),
        ("mappo", "bc", "factored"),
        ("ppo", "bc", "discrete"),
        ("ppo", "dagger", "continuous"),
    ],
)
def test_it_does_what_the_expert_does_on_levels_that_it_has_not_seen(agent, method, mode):
    done = taught(agent=agent, method=method, mode=mode)
    assert succeeds(done.agent, mode) > 0.85
    assert done.record.training.steps == done.record.training.demonstrated == 1_024


def test_another_agent_demonstrates_with_its_own_sensors(teacher, tmp_path):
    arguments = {"sensors": ["entities", "touch"], "action_mode": "discrete"}
    done = taught(str(teacher), arguments=arguments, folder=tmp_path / "run")
    assert list(done.agent.observation_space) == ["entities", "touch"]
    agent, record = load_agent(tmp_path / "run")
    assert record.arguments["sensors"] == ["entities", "touch"]
    assert evaluate(agent, ID, 20, arguments=arguments).metrics["success"].mean() > 0.85


def test_a_dataset_demonstrates(dataset):
    done = taught(str(dataset), steps=None)
    training = done.record.training
    assert 200 < training.steps == training.demonstrated
    assert training.mean_return is None  # Nobody has played.
    assert succeeds(done.agent) > 0.85
    fewer = taught(str(dataset), steps=100)
    assert fewer.record.training.demonstrated == 100


def test_only_the_students_episodes_say_how_good_it_is():
    assert taught(method="bc").record.training.mean_return is None
    assert taught(method="dagger").record.training.success is not None


def test_it_ends_with_an_agent_as_a_training_does(tmp_path):
    done = taught(folder=tmp_path / "run", checkpoint_every=256)
    agent, record = load_agent(tmp_path / "run")
    assert same(weights(done.agent), weights(agent))
    assert record == done.record
    assert record.agent == "mappo"
    assert (tmp_path / "run" / "progress.csv").read_text().startswith("steps,seconds,episodes")
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 2
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "agent", "checkpoints", "imitation.json", "progress.csv", "tensorboard",
    ]  # fmt: skip


def test_the_critic_knows_what_follows_and_its_scale_is_filled():
    # With noise the critic learns what follows where the source is pushed off its way.
    done = taught(method="bc", config={**SMALL, "noise": 0.0})
    student = done.agent.student()
    rows = Rows(ID, 16, observers=1, sensors=SENSORS)
    rows.seed(5)
    rows.reset()
    seen, rewards, lengths = [], [], np.full(16, -1)
    for step in range(40):
        seen.append({key: array.copy() for key, array in rows.observations.items()})
        rows.step(rows.expert_actions())
        rewards.append(rows.rewards.copy())
        lengths = np.where((lengths < 0) & rows.ended, step + 1, lengths)
    rows.close()
    assert (lengths > 0).all()
    gamma = done.agent.parameters.gamma
    wanted = [
        sum(gamma**step * rewards[step][world] for step in range(lengths[world]))
        for world in range(16)
    ]
    found = student.expect(seen[0])
    assert np.corrcoef(found, wanted)[0, 1] > 0.8
    assert abs(np.mean(found) - np.mean(wanted)) < 0.1
    assert done.agent.policy.scale.count > 0.1


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    one, again, other = (taught(steps=512, seed=seed) for seed in (0, 0, 1))
    assert same(weights(one.agent), weights(again.agent))
    assert not same(weights(one.agent), weights(other.agent))


@pytest.mark.parametrize("agent", ["mappo", "ppo"])
def test_it_is_taken_up_in_the_same_way_every_time(agent, tmp_path):
    first = taught(agent=agent, steps=512, folder=tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (resume_imitation(tmp_path / name, steps=1_024) for name in ("one", "two"))
    assert same(weights(one.agent), weights(two.agent))
    assert not same(weights(one.agent), weights(first.agent))
    assert one.record.training.demonstrated == 1_024
    with pytest.raises(ArgumentError, match="as far as it was to go"):
        resume_imitation(tmp_path / "one")


def test_a_dataset_is_read_on_where_it_was_left(dataset, tmp_path):
    taught(str(dataset), steps=128, folder=tmp_path / "run")
    done = resume_imitation(tmp_path / "run", steps=192)
    assert done.record.training.demonstrated == 192
    with pytest.raises(ArgumentError, match="steps to learn from"):
        resume_imitation(tmp_path / "run", steps=1_000_000)


def test_a_damaged_state_is_refused(tmp_path):
    taught(steps=256, folder=tmp_path / "run")
    (state,) = (tmp_path / "run").rglob("training.safetensors")
    state.write_bytes(state.read_bytes()[:64])
    with pytest.raises(SavedFileError, match=r"training\.safetensors"):
        resume_imitation(tmp_path / "run", steps=512)


def test_memory_is_bounded_by_what_is_kept():
    done = taught(config={**SMALL, "kept": 100})
    assert succeeds(done.agent) > 0.85


@pytest.fixture
def recorded(learn, tmp_path, monkeypatch):
    """Makes a Minari dataset, as a person's episodes would be; in it somebody walks ahead."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def record(name, episodes=20, scenario=ID, **arguments):
        buffers, env = [], gymnasium.make(scenario, **{"sensors": SENSORS, **arguments})
        for episode in range(episodes):
            observation, _ = env.reset(seed=episode)
            seen, ended = [observation], [False]
            while not ended[-1]:
                ahead = env.unwrapped.expert_action()
                observation, reward, terminated, truncated, _ = env.step(ahead)
                seen.append(observation)
                ended.append(terminated or truncated)
                buffers.append((episode, ahead, reward, terminated, truncated, seen))
        env.close()
        made = []
        for episode in range(episodes):
            mine = [each for each in buffers if each[0] == episode]
            made.append(
                EpisodeBuffer(
                    observations={key: [s[key] for s in mine[0][5]] for key in mine[0][5][0]},
                    actions=[each[1] for each in mine],
                    rewards=[each[2] for each in mine],
                    terminations=[each[3] for each in mine],
                    truncations=[each[4] for each in mine],
                )
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(name, made, env=env)
        return tmp_path / "minari" / name

    return record


def test_a_person_demonstrates_by_a_minari_dataset(recorded):
    folder = recorded("person/walk-v0")
    assert minari_folder("person/walk-v0") == folder
    done = taught(str(folder), steps=None, config={**SMALL, "passes": 300})
    assert done.record.training.demonstrated == done.record.training.steps > 100
    assert succeeds(done.agent) > 0.85


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ({"scenario": TRADE}, {}, f"no episodes of {ID}, but of {TRADE}"),
        ({"split": "test"}, {}, "was recorded on the test split"),
        ({"action_mode": "continuous"}, {}, "actions is float32 .* and should be int64"),
        ({"sensors": ["entities"]}, {}, "has no observations/proprioception"),
        ({}, {"method": "dagger"}, "is a dataset, which cannot be asked"),
    ],
)
def test_a_minari_dataset_that_does_not_fit_is_refused(made, asked, message, recorded, tmp_path):
    folder = recorded("person/other-v0", episodes=1, **made)
    with pytest.raises(ALSError, match=message):
        taught(str(folder), folder=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()


def test_a_damaged_minari_dataset_is_one_line(recorded):
    folder = recorded("person/broken-v0", episodes=1)
    (folder / "data" / "metadata.json").write_text('{"total_episodes": 1e99}')
    with pytest.raises(SavedFileError, match=r"metadata\.json: total_episodes"):
        taught(str(folder))
    (folder / "data" / "metadata.json").write_text('{"total_episodes": 3, "total_steps": 40}')
    with pytest.raises(SavedFileError, match="has no episode_1"):
        taught(str(folder))


@pytest.mark.parametrize("agent", ["dqn", "recurrent-ppo", "multi-objective", "q-learning"])
def test_learners_that_cannot_imitate_say_so(agent, tmp_path):
    with pytest.raises(
        ArgumentError, match=f"^{agent} cannot learn from demonstrations: use mappo"
    ):
        taught(agent=agent, config={}, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "dagger"}, "is a dataset, which cannot be asked: use the method bc"),
        ({"mode": "continuous"}, "has other actions than .* give the action mode"),
        ({"arguments": {"sensors": ["touch"]}}, 'was collected without the sensor "touch"'),
        ({"steps": 10_000_000}, "steps to learn from, not 10000000"),
    ],
)
def test_a_dataset_that_does_not_fit_is_refused(changes, message, dataset, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        taught(str(dataset), folder=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_dataset_of_another_scenario_is_refused(dataset):
    with pytest.raises(ArgumentError, match=f"no episodes of {TRADE}, but of {ID}"):
        imitate(TRADE, str(dataset), arguments={"sensors": SENSORS}, **JOB)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "nobody"}, "nobody"),
        ({"config": {"passes": 0}}, "imitation: passes"),
        ({"config": {"pases": 2}}, "unknown hyperparameter of mappo"),
        ({"method": "gail"}, "method"),
        ({"steps": 0}, "steps"),
    ],
)
def test_what_is_not_allowed_is_named(changes, message, tmp_path):
    with pytest.raises(ALSError, match=message):
        taught(folder=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_an_agent_that_acts_otherwise_cannot_demonstrate(teacher):
    with pytest.raises(ArgumentError, match="has other actions than"):
        taught(str(teacher), mode="continuous")


def test_a_scenario_without_an_expert_says_so_and_leaves_nothing(tmp_path):
    with pytest.raises(ArgumentError, match="takes agents and datasets, too"):
        imitate(NO_EXPERT, folder=tmp_path / "run", **JOB)
    assert not (tmp_path / "run").exists()


def test_a_rule_of_the_scenario_demonstrates(tmp_path):
    done = taught("heuristic:rule=retreat", folder=tmp_path / "run")
    assert succeeds(done.agent) == 0.0
    again = resume_imitation(tmp_path / "run", steps=1_280)
    assert again.record.training.demonstrated == 1_280


@pytest.mark.parametrize("agent", ["mappo", "ppo"])
def test_reinforcement_learning_goes_on_from_it_and_counts_both(agent, tmp_path):
    taught(agent=agent, folder=tmp_path / "one")
    config = {"rollout": 256, "batch_size": 64, "learning_rate": 1e-4}
    done = train_agent(ID, steps=512, worlds=8, config=config, begin=tmp_path / "one", device="cpu")
    assert done.record.agent == agent
    assert done.record.training.demonstrated == 1_024
    assert done.record.training.steps == 1_024 + done.progress.steps
    assert succeeds(done.agent) > 0.85


def test_few_gradient_steps_are_no_trouble():
    done = taught(steps=4_096, config={**SMALL, "passes": 0.01})
    assert done.record.training.demonstrated == 4_096

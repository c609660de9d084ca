"""`mappo`: it solves what can be solved, comes back from its folder, and is taken up again."""

from __future__ import annotations

import shutil
import threading
import time

import numpy as np
import pytest
import torch
from learn_worlds import ID, TRADE, learn
from safetensors.numpy import load_file, save_file

from als_engine import Rows
from als_engine.agents.agent import Training
from als_engine.agents.saving import load_agent, make_agent, spaces
from als_engine.agents.training import resume_training, train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_plugins.mappo.learner import Mappo, moved
from als_plugins.mappo.rollout import Rollout

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSED = {"sensors": ["proprioception", "entities"], "shaped": True}
SMALL = {"net_arch": [32], "batch_size": 64, "rollout": 256, "n_epochs": 4}
BRIEF = {**SMALL, "n_epochs": 2}
MODES = pytest.mark.parametrize("mode", ["discrete", "continuous", "factored"])


def trained(steps=512, folder=None, mode="discrete", config=None, **changes):
    arguments = {**SENSED, "action_mode": mode}
    job = {"worlds": 8, "arguments": arguments, "config": config or BRIEF, "device": "cpu"}
    return train_agent(ID, "mappo", steps=steps, folder=folder, **job, **changes)


@pytest.fixture(scope="module")
def usual(learn):
    """The weights after two updates with the usual ingredients."""
    return weights(trained().agent)


def weights(agent):
    return {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_it_solves_the_task_on_levels_that_it_has_not_seen():
    config = {**SMALL, "learning_rate": 3e-3, "gamma": 0.95}
    played = evaluate(trained(6_000, config=config).agent, ID, 40, arguments=SENSED)
    assert played.metrics["success"].mean() > 0.9


def test_it_learns_with_numbers_for_actions():
    arguments = {**SENSED, "action_mode": "continuous"}
    agent = trained(4_000, mode="continuous", config={**SMALL, "learning_rate": 3e-3}).agent
    random = make_agent("random", ID, arguments)
    played, drawn = (evaluate(each, ID, 20, arguments=arguments) for each in (agent, random))
    assert played.returns.mean() > drawn.returns.mean() + 1.0


def test_several_avatars_share_the_network_and_learn_together():
    arguments = {**SENSED, "num_avatars": 3}
    config = {**SMALL, "learning_rate": 3e-3, "gamma": 0.95}
    job = {"worlds": 4, "observers": 3, "arguments": arguments, "config": config}
    agent = train_agent(ID, "mappo", steps=6_000, device="cpu", **job).agent
    played = evaluate(agent, ID, 20, arguments=arguments, observers=3)
    random = evaluate(make_agent("random", ID, arguments), ID, 20, arguments=arguments, observers=3)
    assert played.returns.mean() > random.returns.mean() + 0.5


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path):
    one, again, other = (trained(seed=seed) for seed in (0, 0, 1))
    assert same(weights(one.agent), weights(again.agent))
    assert not same(weights(one.agent), weights(other.agent))


def test_rollouts_that_overlap_do_not_depend_on_who_is_faster(monkeypatch, tmp_path):
    """The first is learnt from before another thread can matter, and what follows is the same."""
    config = {**BRIEF, "overlap": True}
    one = trained(1_024, config=config)
    update = Mappo._update

    def slow(self, rollout, optimizer, training):
        time.sleep(0.3)
        return update(self, rollout, optimizer, training)

    monkeypatch.setattr(Mappo, "_update", slow)
    two = trained(1_024, tmp_path / "run", config=config)
    assert same(weights(one.agent), weights(two.agent))
    assert one.progress.steps == two.progress.steps == 1_024
    assert not same(weights(one.agent), weights(trained(1_024).agent))
    assert resume_training(tmp_path / "run", steps=1_536).progress.steps == 1_536


def test_a_fault_in_a_rollout_that_overlaps_is_the_trainings():
    """It is raised where the training was called, and the thread ends."""
    arguments = {**SENSED, "action_mode": "discrete"}
    agent = make_agent("mappo", ID, arguments, {**SMALL, "overlap": True})
    rows = Rows(ID, 8, observers=1, **arguments)
    steps, step = [], rows.step

    def breaks(actions):
        steps.append(1)
        if len(steps) == 100:
            raise OSError("the machine is on fire")
        return step(actions)

    rows.step = breaks
    with pytest.raises(OSError, match="on fire"):
        agent.learn(rows, Training(steps=4_096))
    assert not [each for each in threading.enumerate() if each.name.startswith("rollouts")]
    rows.close()


def test_what_only_the_critic_sees_is_no_matter_to_whoever_plays(tmp_path):
    config = {**SMALL, "critic": ["entities"]}
    agent = trained(folder=tmp_path / "run", config=config).agent
    seen = sensed_rows()
    blind = {key: array for key, array in seen.items() if key != "entities"}
    assert np.array_equal(agent.act(seen)[0], agent.act(blind)[0])
    again, _ = load_agent(tmp_path / "run" / "agent")
    assert np.array_equal(again.act(blind)[0], agent.act(blind)[0])
    with pytest.raises(ArgumentError, match=r"at least one of these sensors: proprioception$"):
        agent.act({"entities": seen["entities"]})
    moved = {key: torch.from_numpy(array) for key, array in seen.items()}
    value = agent.policy.value(moved)
    moved["entities"] = moved["entities"].flip(0)
    assert not torch.equal(agent.policy.value(moved), value)


@pytest.mark.parametrize(
    ("critic", "words"),
    [
        (["lesson"], '"lesson" is not among the sensors'),
        (["proprioception", "entities"], "no sensor is left that the actor could see"),
    ],
)
def test_a_critic_gets_no_sensor_that_is_not_there_and_not_all(critic, words):
    with pytest.raises(ArgumentError, match=words):
        make_agent("mappo", ID, SENSED, {**SMALL, "critic": critic})


def sensed_rows():
    rows = Rows(ID, 8, **SENSED)
    rows.seed(0)
    rows.reset()
    for _ in range(3):
        rows.step(np.zeros(8, np.int64))
    seen = {key: array.copy() for key, array in rows.observations.items()}
    rows.close()
    return seen


@MODES
def test_it_comes_back_from_its_folder_and_acts_as_before(mode, tmp_path):
    done = trained(folder=tmp_path / "run", mode=mode)
    again, record = load_agent(tmp_path / "run" / "agent")
    assert same(weights(done.agent), weights(again))
    assert record.agent == "mappo"
    arguments = {**SENSED, "action_mode": mode}
    one, two = (evaluate(agent, ID, 6, arguments=arguments) for agent in (done.agent, again))
    assert np.array_equal(one.returns, two.returns)


def test_a_row_acts_the_same_whatever_the_others_are():
    agent = make_agent("mappo", ID, SENSED, SMALL)
    rng = np.random.default_rng(0)
    space = spaces(ID, SENSED)[0]
    many = {
        key: rng.uniform(
            np.maximum(part.low, -1), np.minimum(part.high, 1), (37, *part.shape)
        ).astype(part.dtype)
        for key, part in space.spaces.items()
    }
    rows = np.ones(37, bool)
    state = agent.restart(None, rows, [*range(37)])
    actions, _ = agent.act(many, state, deterministic=False)
    for row in (0, 5, 36):
        alone = {key: array[[row]] for key, array in many.items()}
        state = agent.restart(None, np.ones(1, bool), [row])
        assert agent.act(alone, state, deterministic=False)[0][0] == actions[row]


def test_a_training_is_taken_up_in_the_same_way_every_time(tmp_path):
    """Weights, optimizer and random state are the checkpoint's; the worlds begin new episodes."""
    trained(512, tmp_path / "run", checkpoint_every=256)
    for name in ("one", "two", "forgetful"):
        shutil.copytree(tmp_path / "run", tmp_path / name)
    newest = max(
        (tmp_path / "forgetful" / "checkpoints").iterdir(), key=lambda path: int(path.name)
    )
    state = newest / "training.safetensors"
    arrays = load_file(state)
    for name, array in arrays.items():
        if name.startswith("optimizer/") and name.endswith("exp_avg"):
            array[...] = 0.0
    save_file(arrays, state)
    one, two, forgetful = (
        resume_training(tmp_path / name, steps=1_024, device="cpu")
        for name in ("one", "two", "forgetful")
    )
    assert one.progress.steps == 1_024
    assert same(weights(one.agent), weights(two.agent))
    assert not same(weights(one.agent), weights(forgetful.agent))


def test_a_damaged_state_of_training_is_refused(tmp_path):
    trained(folder=tmp_path / "run")
    (path,) = list((tmp_path / "run" / "checkpoints").iterdir())[-1:]
    state = path / "training.safetensors"
    state.write_bytes(state.read_bytes()[:64])
    with pytest.raises(SavedFileError, match=r"training\.safetensors"):
        resume_training(tmp_path / "run", steps=4_096)


def test_an_episode_whose_time_is_up_would_have_gone_on(monkeypatch):
    """What its last observation is worth is added to the last reward, and to no other."""
    given = {**SENSED, "max_episode_steps": 5}
    rows = Rows(ID, 4, observers=1, **given)
    agent = make_agent("mappo", ID, given, {**SMALL, "n_steps": 12, "gamma": 0.5})
    with torch.no_grad():
        agent.policy.value_head.weight.zero_()
        agent.policy.value_head.bias.fill_(1_000.0)
    found = {}

    def keep(self, last, gamma, decay):
        found.setdefault("rewards", self.rewards.clone())
        found.setdefault("ended", self.ended.clone())
        found.setdefault("last", last.clone())

    monkeypatch.setattr(Rollout, "reckon", keep)
    agent.learn(rows, Training(steps=1, device="cpu"))
    rows.close()
    ends = found["ended"]
    assert ends.sum() == 2 * 4
    assert (found["rewards"][ends] - 500.0).abs().max() < 20.0
    assert found["rewards"][~ends].abs().max() < 20.0
    assert (found["last"] == 1_000.0).all()


def test_an_encoder_that_does_not_learn_drops_nothing_out(tmp_path):
    config = {**SMALL, "encoder": "attention", "tuning": "frozen"}
    config["encoder_config"] = {"width": 8, "depth": 1, "heads": 2, "features": 8, "dropout": 0.5}
    policy = make_agent("mappo", ID, SENSED, config).policy.train()
    assert policy.training
    assert not any(part.training for part in policy.encoder.modules())
    policy = make_agent("mappo", ID, SENSED, {**config, "tuning": "full"}).policy.train()
    assert any(part.training for part in policy.encoder.modules())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_value": -1.0}, "clip_value"),
        ({"critic_of": 3}, "unknown hyperparameter of mappo"),
        ({"ent_coef_end": 2.0}, "ent_coef_end"),
        ({"target_kl_end": 0.01}, "target_kl_end needs target_kl"),
        ({"augment": "shift"}, "there is none among the sensors"),
    ],
)
def test_what_is_not_allowed_is_named(changes, message):
    with pytest.raises(ArgumentError, match=message):
        make_agent("mappo", ID, SENSED, {**SMALL, **changes})


@pytest.mark.usefixtures("learn")
def test_a_training_of_one_rollout_learns():
    """The learning rate falls to nothing after the last update, and not with it."""
    found, begun = (
        weights(trained(256, config={**SMALL, "learning_rate": rate}).agent)["value_head.weight"]
        for rate in (1e-3, 1e-12)
    )
    assert (found - begun).abs().max() > 1e-3


def test_a_schedule_is_a_straight_line():
    assert [moved(0.1, None, left) for left in (1.0, 0.5, 0.0)] == [0.1, 0.1, 0.1]
    assert [moved(0.1, 0.3, left) for left in (1.0, 0.5, 0.0)] == pytest.approx([0.1, 0.2, 0.3])


def test_the_bound_on_an_updates_change_has_a_schedule(usual):
    """One that is never reached is the same as none; one that every change reaches is not."""
    never, falls = (
        weights(trained(config={**BRIEF, "target_kl": begin, "target_kl_end": end}).agent)
        for begin, end in ((1e3, 1e3), (1e-9, 1e-10))
    )
    assert same(never, usual)
    assert not same(never, falls)


@pytest.mark.parametrize(
    "changes",
    [
        {"normalise_value": False},
        {"normalise_advantage": False},
        {"clip_value": 0.2},
        {"ent_coef_end": 0.0},
        {"target_kl": 1e-5},
        {"weight_decay": 0.01},
        {"anneal": False},
        {"use_masks": True},
        {"bfloat16": True},
        {"memory": "gru"},
        {"memory": "attention"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_ingredient_has_a_switch_that_does_something(changes, usual):
    other = trained(config={**BRIEF, **changes})
    assert not same(usual, weights(other.agent))
    assert all(torch.isfinite(each).all() for each in weights(other.agent).values())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Torch's own, of its own compiler.
@pytest.mark.filterwarnings("ignore:Guards may run slower")  # The same, on Python 3.13.0.
def test_a_compiled_network_learns_the_same(usual, monkeypatch):
    """Torch traces the network; what makes C++ of that takes longer than a test may."""
    compiled = []

    def traced(network):
        compiled.append(compile_whole(network, backend="eager", fullgraph=True))
        return compiled[-1]

    compile_whole = torch.compile
    monkeypatch.setattr(torch, "compile", traced)
    other = weights(trained(config={**BRIEF, "compile": True}).agent)
    assert len(compiled) == 1
    for name, value in usual.items():
        assert torch.allclose(other[name], value, atol=1e-4), name


def test_rewards_of_several_terms_are_learnt_as_their_sum():
    job = {"worlds": 4, "arguments": {"sensors": ["proprioception"]}, "config": SMALL}
    assert train_agent(TRADE, "mappo", steps=256, device="cpu", **job).progress.steps >= 256

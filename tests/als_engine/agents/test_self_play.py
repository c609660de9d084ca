"""Self-play: past selves really play the other side, the pool is bounded, and all of it resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from acme_porters import PORTERS

from als_engine import Rows
from als_engine.agents.agent import RandomAgent
from als_engine.agents.saving import load_agent, make_agent
from als_engine.agents.self_play import Pool
from als_engine.agents.sides import Player, SideRows, take_seats
from als_engine.agents.training import SelfPlay, read_job, resume_training, train_agent
from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_engine.simulation import simulate

ID = "ALS/Tag-v0"
SENSED = {"sensors": ["role", "proprioception", "entities"], "action_mode": "discrete"}
SHORT = {**SENSED, "max_episode_steps": 20}
STEPS = 768
SMALL = {"net_arch": [16], "batch_size": 64, "rollout": 256, "n_epochs": 1}


class Solo:
    """A cast of one; notes what it is told."""

    def __init__(self, agent):
        self.player, self.notes = Player(0, agent), []

    def draw(self, role, count):
        return [self.player] * count

    def note(self, role, who, value):
        self.notes.append((role, who, value))


class Counting(RandomAgent):
    """Keeps what it has done, with what it saw."""

    def __init__(self, *spaces):
        super().__init__(*spaces)
        self.acted = []

    def act(self, observation, state=None, deterministic=True):
        actions, state = super().act(observation, state, deterministic)
        copies = {key: array.copy() for key, array in observation.items()}
        self.acted.append((copies, actions))
        return actions, state


def side_rows(cast, worlds=4, scripted=0.0, workers=1, arguments=SHORT, **changes):
    learner = make_agent("random", ID, arguments)
    seats = take_seats(ID, arguments, learner, worlds=worlds, scripted=scripted, **changes)
    rows = Rows(ID, worlds, workers=workers, **arguments)
    return SideRows(rows, seats, cast, seed=3)


def random_agent(kind=RandomAgent):
    one = simulate(ID, 1, None, **SHORT)
    return kind(one.observation_space, one.action_space)


def played(rows, steps=30, seed=0):
    """What a learner sees and gets that always does the same few things."""
    rng = np.random.default_rng(seed)
    rows.seed(7)
    rows.reset()
    seen = []
    for _ in range(steps):
        rows.step(rng.integers(0, 5, rows.num_rows))
        seen.append((rows.observations, rows.rewards.copy(), rows.ended.copy()))
    return seen


def test_the_learner_has_each_role_in_half_of_the_worlds_and_sees_its_own_avatar():
    rows = side_rows(Solo(random_agent()))
    rows.seed(0)
    rows.reset()
    assert rows.num_rows == 4
    assert rows.roles.keys() == {"chaser", "evader"}
    assert [r.tolist() for r in rows.roles.values()] == [[0, 2], [1, 3]]
    for key, array in rows.observations.items():
        everyone = rows.inner.observations[key].reshape(4, 2, *array.shape[1:])
        assert np.array_equal(array, everyone[range(4), [0, 1, 0, 1]])
    rows.close()


def test_a_player_drives_the_other_side_with_the_actions_of_its_own_act():
    """The worlds are the same as those in which the caller does what the player has done."""
    agent = random_agent(Counting)
    rows = side_rows(Solo(agent))
    found = played(rows)
    rows.close()
    again, rng = Rows(ID, 4, **SHORT), np.random.default_rng(0)
    again.seed(7)
    again.reset()
    for (seen, acted), (mine, rewards, ended) in zip(agent.acted, found, strict=True):
        others = {k: a.reshape(4, 2, *a.shape[1:]) for k, a in again.observations.items()}
        for key, array in seen.items():
            assert np.array_equal(array, others[key][range(4), [1, 0, 1, 0]])
        actions = np.zeros((4, 2), np.int64)
        actions[range(4), [0, 1, 0, 1]] = rng.integers(0, 5, 4)
        actions[range(4), [1, 0, 1, 0]] = acted
        again.step(actions.reshape(-1))
        assert np.array_equal(rewards, again.rewards.reshape(4, 2)[range(4), [0, 1, 0, 1]])
        assert np.array_equal(ended, again.ended_worlds)
        for key, array in mine.items():
            now = again.observations[key].reshape(4, 2, *array.shape[1:])
            assert np.array_equal(array, now[range(4), [0, 1, 0, 1]])
    again.close()


@pytest.mark.parametrize(("role", "behaviour"), [("chaser", "flee"), ("evader", "direct")])
def test_scripted_players_decide_for_themselves(role, behaviour):
    """Whatever the caller does with an avatar that it has given away counts for nothing."""
    arguments, own = {**SHORT, "background": behaviour}, int(role == "evader")
    cast = Solo(random_agent())
    rows = side_rows(cast, 2, 1.0, roles=[role], arguments=arguments)
    found = played(rows)
    rows.close()
    driven, rng = Rows(ID, 2, **arguments), np.random.default_rng(0)
    driven.give_to_company(np.array([[own == 1, own == 0]] * 2))
    driven.seed(7)
    driven.reset()
    for _, rewards, _ in found:
        actions = np.full((2, 2), 3)
        actions[:, own] = rng.integers(0, 5, 2)
        driven.step(actions.reshape(-1))
        assert np.array_equal(rewards, driven.rewards.reshape(2, 2)[:, own])
    driven.close()
    assert {(who, by) for who, by, _ in cast.notes} == {(role, behaviour)}


def test_company_that_takes_over_an_observer_does_what_it_does_as_company():
    """An evader that the caller has given away flees as one that it never had."""
    apart = Rows(ID, 3, observers=1, **SHORT)
    given = Rows(ID, 3, **SHORT)
    given.give_to_company(np.array([[False, True]] * 3))
    rng = np.random.default_rng(1)
    for rows in (apart, given):
        rows.seed(5)
        rows.reset()
    for _ in range(50):
        mine = rng.integers(0, 5, 3)
        apart.step(mine)
        given.step(np.stack([mine, rng.integers(0, 5, 3)], axis=1).reshape(-1))
        assert np.array_equal(apart.rewards, given.rewards[::2])
        assert np.array_equal(apart.worlds.state(), given.worlds.state())
    for rows in (apart, given):
        rows.close()


# -- the pool -------------------------------------------------------------------------------------


def pool_of(size=3, newest=0.5):
    learner = make_agent("mappo", ID, SHORT, SMALL)
    return Pool(SelfPlay(size=size, newest=newest), learner, ("chaser", "evader"), 0)


def test_the_pool_grows_is_bounded_and_lets_the_easiest_go():
    pool = pool_of()
    for steps in (100, 200):
        pool.add(steps)
    assert [member.steps for member in pool.members] == [0, 100, 200]
    for member, value in zip(pool.members, (1.0, 5.0, 2.0), strict=True):
        for role in ("chaser", "evader"):
            pool.note(role, member.number, value)
    pool.add(300)
    assert [member.steps for member in pool.members] == [0, 200, 300]
    pool.add(300)  # The same again is the same.
    assert len(pool.members) == 3


def test_whom_the_learner_gets_least_against_is_drawn_most_often():
    pool = pool_of(4, newest=0.0)
    for steps in (100, 200):
        pool.add(steps)
    for member, value in zip(pool.members, (9.0, -1.0, 4.0), strict=True):
        pool.note("chaser", member.number, value)
    assert pool.weights("chaser").tolist() == pytest.approx([0.1, 1.0, 0.55])
    drawn = [player.steps for player in pool.draw("chaser", 3_000)]
    assert drawn.count(100) / 3_000 == pytest.approx(1.0 / 1.65, abs=0.05)
    # Nothing is known of the other role: all alike.
    assert pool.weights("evader").tolist() == [1.0, 1.0, 1.0]
    always = pool_of(4, newest=1.0)
    always.add(100)
    assert {player.steps for player in always.draw("chaser", 50)} == {100}


def test_a_member_is_the_learner_as_it_was():
    pool = pool_of()
    pool.add(100)
    learner, member = pool._learner, pool.members[-1].agent
    rows = Rows(ID, 4, **SHORT)
    rows.seed(0)
    seen = rows.reset()
    before = learner.act(seen)[0]
    assert np.array_equal(member.act(seen)[0], before)
    for weights in learner.policy.parameters():
        weights.data.mul_(-1.0)
    assert np.array_equal(member.act(seen)[0], before)
    assert not np.array_equal(learner.act(seen)[0], before)
    rows.close()


# -- trainings ------------------------------------------------------------------------------------


def trained(steps=STEPS, folder=None, agent="mappo", arguments=SHORT, config=SMALL, **changes):
    job = {"worlds": 8, "checkpoint_every": 256, "device": "cpu", "self_play": SelfPlay(size=3)}
    given = {**job, **changes}
    return train_agent(
        ID, agent, steps=steps, folder=folder, arguments=arguments, config=config, **given
    )


def weights(agent):
    return {name: tensor.numpy().copy() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return all(np.array_equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("self") / "run"
    trained(folder=folder)
    return folder


def newest(run):
    return max((run / "checkpoints").iterdir(), key=lambda path: int(path.name))


def test_a_checkpoint_holds_the_pool_as_saved_agents_and_who_was_met(run):
    pool = newest(run) / "pool"
    record = json.loads((pool / "pool.json").read_text())
    steps = [member["steps"] for member in record["members"]]
    assert steps == sorted(steps)
    assert steps[-1] == STEPS
    assert len(steps) == 3
    for member in record["members"]:
        if member["kind"] == "past":
            _, saved = load_agent(pool / f"{member['steps']:012d}")
            assert saved.training.steps == member["steps"]
    last = load_agent(pool / f"{STEPS:012d}")[0]
    assert same(weights(last), weights(load_agent(run)[0]))
    met = {role for member in record["members"] for role in member["scores"]}
    assert met == {"chaser", "evader"}
    # The behaviours of training, and no other.
    assert set(record["scripted"]["chaser"]) <= {"wander", "flee", "corner"}
    assert set(record["scripted"]["evader"]) <= {"direct", "pack"}
    assert read_job(run).self_play == SelfPlay(size=3)


def test_the_same_seed_gives_the_same_bits_in_any_number_of_workers(run):
    usual = weights(load_agent(run)[0])
    assert same(usual, weights(trained(workers=2).agent))
    assert not same(usual, weights(trained(seed=1).agent))


def test_rollouts_that_overlap_give_the_same_bits():
    """Snapshots are taken where no rollout is being played."""
    config = {**SMALL, "overlap": True, "use_masks": True}
    one, two = (weights(trained(512, config=config).agent) for _ in range(2))
    assert same(one, two)


def test_a_training_is_taken_up_with_its_pool_and_in_the_same_way_every_time(run, tmp_path):
    for name in ("one", "two", "other"):
        shutil.copytree(run, tmp_path / name)
    pool = newest(tmp_path / "other") / "pool"
    record = json.loads((pool / "pool.json").read_text())
    record["members"] = [{"kind": "random", "steps": 0, "scores": {}}]
    (pool / "pool.json").write_text(json.dumps(record))
    one, two, other = (
        resume_training(tmp_path / name, steps=STEPS + 512) for name in ("one", "two", "other")
    )
    assert same(weights(one.agent), weights(two.agent))
    # It is the pool that it goes on with.
    assert not same(weights(one.agent), weights(other.agent))
    again = json.loads((newest(tmp_path / "one") / "pool" / "pool.json").read_text())
    assert again["members"][-1]["steps"] == STEPS + 512


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pool: (pool / "pool.json").write_text("{}"), "members"),
        (lambda pool: (pool / "pool.json").unlink(), "pool.json"),
        (lambda pool: shutil.rmtree(pool / f"{STEPS:012d}"), "weights.safetensors"),
    ],
)
def test_a_damaged_pool_is_one_line(change, words, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    change(newest(tmp_path / "run") / "pool")
    with pytest.raises(SavedFileError, match=words) as told:
        resume_training(tmp_path / "run", steps=2 * STEPS)
    assert "\n" not in str(told.value)


def test_it_begins_against_the_agent_that_it_begins_from(run, tmp_path):
    quick = {name: value for name, value in SMALL.items() if name != "net_arch"}
    begun = trained(512, tmp_path / "run", begin=run, config=quick)
    record = json.loads((newest(tmp_path / "run") / "pool" / "pool.json").read_text())
    assert {member["kind"] for member in record["members"]} == {"past"}
    assert begun.progress.steps >= 512


@pytest.mark.parametrize("agent", ["ppo", "recurrent-ppo", "q-learning"])
def test_other_learners_play_against_themselves_too(agent):
    config = {} if agent == "q-learning" else {**SMALL, "batch_size": 128}
    assert trained(512, agent=agent, config=config).progress.steps >= 512


@pytest.mark.parametrize(
    ("scenario", "arguments", "changes", "words"),
    [
        ("ALS/Vocabulary-v0", {"sensors": ["proprioception"]}, {}, "has one avatar, and nobody"),
        (ID, SHORT, {"observers": 2}, "cannot drive 2 avatars of the role chaser: .* has 1"),
        (ID, SHORT, {"worlds": 1}, "one world for each role is needed, 2; got 1"),
        (ID, SHORT, {"curriculum": "plr"}, "self-play and a curriculum do not go together"),
    ],
)
def test_what_cannot_be_played_is_one_line_and_leaves_nothing(
    scenario, arguments, changes, words, tmp_path
):
    job = {"worlds": 4, "device": "cpu", "self_play": SelfPlay(), **changes}
    with pytest.raises(ArgumentError, match=words) as told:
        train_agent(
            scenario, "mappo", steps=512, folder=tmp_path / "run", arguments=arguments,
            config=SMALL, **job,
        )  # fmt: skip
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()


def test_others_that_act_in_another_way_are_refused():
    """The porter has a gripper, and the caller of this scenario only turns and talks."""
    for sensors, words in ((["proprioception"], "other actions"), (None, "other observations")):
        arguments = {"action_mode": "discrete"} | ({"sensors": sensors} if sensors else {})
        one = simulate(PORTERS, 1, 1, **arguments)
        learner = RandomAgent(one.observation_space, one.action_space)
        with pytest.raises(ArgumentError, match=f"Acme/Porters-v0: its other .* {words}"):
            take_seats(PORTERS, arguments, learner, worlds=2)


def test_whoever_does_not_see_which_role_it_has_is_warned():
    arguments = {**SHORT, "sensors": ["proprioception"]}
    learner = make_agent("random", ID, arguments)
    with pytest.warns(RuntimeWarning, match="does not see which it is: add role to the sensors"):
        take_seats(ID, arguments, learner, worlds=2)


def test_rivals_stay_in_the_pool_and_come_back_with_it(run, tmp_path):
    shutil.copytree(run / "agent", tmp_path / "rival")
    settings = SelfPlay(size=2, newest=0.0, scripted=0.0, rivals=[str(tmp_path / "rival")])
    trained(folder=tmp_path / "run", self_play=settings)
    pool = newest(tmp_path / "run") / "pool"
    members = json.loads((pool / "pool.json").read_text())["members"]
    assert [member["kind"] for member in members] == ["rival", "past", "past"]
    assert members[0]["scores"].keys() == {"chaser", "evader"}
    assert same(weights(load_agent(pool / "rival-0")[0]), weights(load_agent(run)[0]))
    shutil.rmtree(tmp_path / "rival")  # A checkpoint needs no other folder.
    resume_training(tmp_path / "run", steps=STEPS + 256)
    again = newest(tmp_path / "run") / "pool"
    assert same(weights(load_agent(again / "rival-0")[0]), weights(load_agent(run)[0]))


@pytest.mark.parametrize(
    ("rival", "sensors", "words"),
    [
        ("./nowhere", SENSED["sensors"], "nowhere"),
        (
            None,
            ["proprioception", "role"],
            'needs "entities" as it knows it: add it to the sensors',
        ),
    ],
)
def test_a_rival_that_cannot_play_is_one_line(rival, sensors, words, run):
    settings = SelfPlay(rivals=[rival or str(run)])
    with pytest.raises(ALSError, match=words) as told:
        trained(arguments={**SHORT, "sensors": sensors}, self_play=settings)
    assert "\n" not in str(told.value)
